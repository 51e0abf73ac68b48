#include "store/chain.h"

#include <openssl/evp.h>

#include <algorithm>

#include "schema/canonical.h"

namespace pawl {
namespace {

// OpenSSL 3 looks the algorithm up by name at each start of a hash unless it is fetched beforehand, which costs more
// than hashing a record.
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

  // A hash of bytes in memory can fail only where OpenSSL itself is broken.
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
