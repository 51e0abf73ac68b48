#include "daemon/http/request_head.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(RequestTarget, is_a_path_or_an_http_url) {
  const auto path = parse_target("/v1/tasks?limit=3&after=?");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->path, "/v1/tasks");
  EXPECT_EQ(path->query, "limit=3&after=?");
  EXPECT_EQ(path->authority, "");
  const auto url = parse_target("HtTp://Localhost:7777/v1/tasks?limit=3");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->path, "/v1/tasks");
  EXPECT_EQ(url->query, "limit=3");
  EXPECT_EQ(url->authority, "Localhost:7777");
  for (const char* bare : {"http://localhost", "http://localhost?x=1", "https://[::1]:80/"}) {
    ASSERT_TRUE(parse_target(bare)) << bare;
    EXPECT_EQ(parse_target(bare)->path, "/") << bare;
  }
  for (const char* other :
       {"", "*", "healthz", "localhost:80", "ftp://localhost/", "http:/healthz", "http:///healthz",
        "http://me:secret@localhost/healthz", "http:", "/a#b", "/\xc3\xa4", "/a\\b", "http://:80/", "http://[::1/"}) {
    EXPECT_FALSE(parse_target(other)) << other;
  }
}

TEST(Authority, is_a_host_with_or_without_a_port) {
  for (const char* one : {"", "localhost", "localhost:", "localhost:80", "[::1]", "[::1]:80", "a_b-c.d~e%20"}) {
    EXPECT_TRUE(is_authority(one)) << one;
  }
  for (const char* other : {":", ":80", "a b", "a,b", "a@b", "a/b", "a:b", "a:1:2", "[]", "[::1", "[::1]80", "[g]",
                            "[::1]:x", "a\tb", "\xc3\xa4"}) {
    EXPECT_FALSE(is_authority(other)) << other;
  }
}

TEST(ForeignPage, is_who_names_another_host_or_site) {
  EXPECT_FALSE(foreign_page({.has_host = true, .host = "localhost:1"}));
  EXPECT_FALSE(foreign_page({.has_host = true, .host = "localhost", .authority = "127.0.0.1:1"}));
  EXPECT_FALSE(foreign_page({.authority = "[::1]:1"}));
  EXPECT_TRUE(foreign_page({.only_reads = true, .has_host = true, .host = "evil.example"}));
  EXPECT_TRUE(foreign_page({.only_reads = true, .has_host = true, .host = ""}));
  EXPECT_TRUE(foreign_page({.only_reads = true, .authority = "evil.example"}));
  EXPECT_TRUE(foreign_page({.only_reads = true, .has_host = true, .host = "localhost", .authority = "evil.example"}));
  EXPECT_TRUE(foreign_page({.only_reads = true, .has_host = true, .host = "evil.example", .authority = "localhost"}));
  EXPECT_TRUE(foreign_page({.has_host = true, .host = "localhost", .origin = "http://evil.example"}));
  // The target's own host counts, not the header.
  const auto from = [](const char* origin) {
    return foreign_page({.has_host = true, .host = "localhost:1", .authority = "localhost:2", .origin = origin});
  };
  EXPECT_TRUE(from("http://localhost:1"));
  EXPECT_FALSE(from("http://localhost:2"));
}

TEST(ForeignPage, is_not_who_only_reads_and_says_no_host_at_all) {
  EXPECT_FALSE(foreign_page({.only_reads = true}));
  EXPECT_TRUE(foreign_page({.only_reads = false})) << "a write without a host is refused";
  EXPECT_TRUE(foreign_page({.only_reads = true, .origin = "http://evil.example"}));
}

}  // namespace
}  // namespace pawl
