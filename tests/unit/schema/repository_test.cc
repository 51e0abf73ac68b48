// Names and URLs of repositories, as text.
#include "schema/repository.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(Repository, names_are_folders_and_words_and_lead_nowhere_else) {
  for (const char* name : {"shop", "team/shop", "a.b", ".github", "team/.x", "Großmarkt"}) {
    EXPECT_TRUE(check_repo_name(name)) << name;
  }
  for (const char* name : {"", "-x", "..", ".", "../x", "a/../x", "/etc", "a//b", "a/", "a\nb", "a\x7f"}) {
    EXPECT_FALSE(check_repo_name(name)) << name;
  }
}

TEST(Repository, credentials_are_a_password_or_a_user_name_over_http) {
  for (const char* url : {"https://token@host/x", "http://me:pw@host/x", "ssh://me:pw@host/x", "https://:pw@host/x"}) {
    EXPECT_TRUE(has_credentials(url)) << url;
  }
  for (const char* url : {"https://host/a@b", "ssh://git@host/x", "git@host:x", "/a:b@c", "https://host?x=a@b", ""}) {
    EXPECT_FALSE(has_credentials(url)) << url;
  }
  EXPECT_FALSE(has_password("https://token@host/x"));
  EXPECT_TRUE(has_password("ssh://me:pw@host:22/x"));
  EXPECT_FALSE(has_password("ssh://me@host:22/x"));
}

TEST(Repository, a_relative_path_is_one_from_a_folder_and_all_else_stays) {
  EXPECT_EQ(from_folder("./shop.git", "/srv"), "/srv/shop.git");
  EXPECT_EQ(from_folder("../shop.git/", "/srv/a"), "/srv/shop.git");
  EXPECT_EQ(from_folder("repos/shop.git", "/srv"), "/srv/repos/shop.git");
  EXPECT_EQ(from_folder(".", "/srv"), "/srv");
  EXPECT_EQ(from_folder("./a:b", "/srv"), "/srv/a:b") << "as git reads it";
  for (const char* url :
       {"/srv/x.git", "host:x/y.git", "git@host:x", "https://host/x", "file:///x", "ext::sh -c x", ""}) {
    EXPECT_EQ(from_folder(url, "/srv"), url);
    EXPECT_FALSE(is_relative_path(url)) << url;
  }
}

}  // namespace
}  // namespace pawl
