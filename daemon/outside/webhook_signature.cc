// Whether a delivery's sender knows the secret: an HMAC-SHA256 of the body, or the secret itself.
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "daemon/outside/webhooks.h"
#include "schema/hex.h"
#include "store/base64.h"

namespace pawl {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest hmac_sha256(std::string_view key, std::string_view text) {
  Digest digest{};
  unsigned int bytes = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), digest.data(), &bytes);
  PAWL_ASSERT(made != nullptr && bytes == digest.size());
  return digest;
}

/// The length is not secret; the position of the first wrong byte must be.
bool is_same(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

constexpr std::string_view signing_token_prefix = "whsec_";

/// None if it does not have this form.
std::optional<std::string> key_of(std::string_view signing_token) {
  if (!is_signing_token(signing_token)) return std::nullopt;
  const auto key = base64_decoded(signing_token.substr(signing_token_prefix.size()));
  if (!key || key->empty()) return std::nullopt;
  return std::string(key->begin(), key->end());
}

/// Standard Webhooks allows several signatures, separated by spaces, while a token is being rotated.
bool is_among(std::string_view signatures, std::string_view right) {
  bool found = false;
  while (!signatures.empty()) {
    const std::string_view one = signatures.substr(0, signatures.find(' '));
    found = is_same(one, right) || found;
    signatures.remove_prefix(std::min(signatures.size(), one.size() + 1));
  }
  return found;
}

SignatureCheck judged(std::string_view sent, bool is_right) {
  if (sent.empty()) return SignatureCheck::missing;
  return is_right ? SignatureCheck::right : SignatureCheck::wrong;
}

}  // namespace

const std::optional<std::string>& secret_of(WebhookSource source, const WebhookConfig& config) {
  switch (source) {
    case WebhookSource::gitea:
      return config.gitea_secret;
    case WebhookSource::plane:
      return config.plane_secret;
    case WebhookSource::github:
      return config.github.secret;
    case WebhookSource::gitlab:
      return config.gitlab.secret;
    case WebhookSource::generic:
      break;
  }
  return config.generic_secret;
}

bool is_signing_token(std::string_view secret) {
  return secret.starts_with(signing_token_prefix);
}

std::string webhook_signature(std::string_view secret, std::string_view body) {
  return hex(hmac_sha256(secret, body));
}

std::optional<std::string> standard_signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                                              std::string_view body) {
  const auto key = key_of(secret);
  if (!key) return std::nullopt;
  std::string signed_text;
  signed_text.reserve(id.size() + timestamp.size() + body.size() + 2);
  signed_text.append(id).append(".").append(timestamp).append(".").append(body);
  return "v1," + base64(hmac_sha256(*key, signed_text));
}

SignatureCheck check_signature(WebhookSource source, std::string_view body, const WebhookHeaders& headers,
                               const WebhookConfig& config) {
  const std::optional<std::string>& secret = secret_of(source, config);
  if (!secret || secret->empty()) return SignatureCheck::not_configured;
  if (source == WebhookSource::gitlab) {
    if (!is_signing_token(*secret)) return judged(headers.token, is_same(headers.token, *secret));
    const auto right = standard_signature(*secret, headers.delivery, headers.timestamp, body);
    return judged(headers.signature, right && is_among(headers.signature, *right));
  }
  const std::string_view prefix = source == WebhookSource::github ? "sha256=" : "";
  const std::string right = std::string(prefix) + webhook_signature(*secret, body);
  return judged(headers.signature, is_same(headers.signature, right));
}

}  // namespace pawl
