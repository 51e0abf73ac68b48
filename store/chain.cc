#include "store/chain.h"

#include <openssl/evp.h>

#include <algorithm>

#include "schema/canonical.h"
#include "schema/result.h"

namespace pawl {
namespace {

// Unless the algorithm is fetched in advance, OpenSSL 3 looks it up by name for every hash, which costs more than
// hashing a record.
const EVP_MD* sha256() {
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Chain chain_after(const Chain& before, const fb::Record& record) {
  thread_local std::string bytes;
  thread_local std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  bytes.clear();
  canonical_record(record, bytes);

  // Hashing bytes in memory can fail only if OpenSSL itself is broken.
  Chain chain{};
  PAWL_ASSERT(sha256() && context);
  PAWL_ASSERT(EVP_DigestInit_ex2(context.get(), sha256(), nullptr) == 1);
  PAWL_ASSERT(EVP_DigestUpdate(context.get(), before.data(), before.size()) == 1);
  PAWL_ASSERT(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  PAWL_ASSERT(EVP_DigestFinal_ex(context.get(), chain.data(), nullptr) == 1);
  return chain;
}

Chain chain_of(const fb::Record& record) {
  Chain chain{};
  const auto* stored = record.stamp()->chain();
  std::copy(stored->begin(), stored->end(), chain.begin());
  return chain;
}

Chain stamp_chain(const Chain& before, Proposal& proposal) {
  const Chain chain = chain_after(before, proposal.record());
  std::copy(chain.begin(), chain.end(), proposal.stamp().mutable_chain()->data());
  return chain;
}

}  // namespace pawl
