// Payloads in the form that GitHub and GitLab document (docs/WEBHOOKS.md has the links), without most of the links,
// dates and counts. All names and values are invented.
#pragma once

#include <string>
#include <string_view>

namespace pawl::payloads {

constexpr std::string_view github_push = R"json({
  "ref": "refs/heads/shop-42",
  "before": "28e1879d029cb852e4844d9c718537df08844e03",
  "after": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "base_ref": null,
  "created": false,
  "deleted": false,
  "forced": false,
  "compare": "https://github.example.org/acme/shop/compare/28e1879d029c...bffeb7422404",
  "commits": [{
    "id": "bffeb74224043ba2feb48d137756c8a9331c449a",
    "tree_id": "5e4b2f0f4b1f3ad0f8ddf9f4a23f6b3a6a8b3c11",
    "distinct": true,
    "message": "Prices are rounded once — at the end",
    "author": {"name": "Ada", "email": "ada@example.org", "username": "ada"},
    "added": [], "removed": [], "modified": ["price.py"]
  }],
  "head_commit": {"id": "bffeb74224043ba2feb48d137756c8a9331c449a", "message": "Prices are rounded once — at the end"},
  "repository": {
    "id": 140, "node_id": "R_kgDOABCDEF", "name": "shop", "full_name": "acme/shop", "private": true,
    "owner": {"name": "acme", "email": null, "login": "acme", "id": 7, "type": "Organization", "site_admin": false},
    "fork": false, "default_branch": "main", "master_branch": "main"
  },
  "pusher": {"name": "ada", "email": "ada@example.org"},
  "sender": {"login": "ada", "id": 3, "type": "User", "site_admin": false}
})json";

constexpr std::string_view github_pull_request = R"json({
  "action": "synchronize",
  "number": 17,
  "pull_request": {
    "url": "https://api.github.example.org/repos/acme/shop/pulls/17",
    "id": 901, "node_id": "PR_kwDOABCDEF", "number": 17, "state": "open", "locked": false,
    "title": "Round prices once",
    "user": {"login": "ada", "id": 3, "type": "User", "site_admin": false},
    "body": null,
    "merged_at": null, "merge_commit_sha": "411acbb5098d2257592f94bfa1bbf121cb61df78",
    "assignees": [], "requested_reviewers": [],
    "labels": [{"id": 11, "name": "bug", "color": "d73a4a", "default": true, "description": null}],
    "head": {
      "label": "acme:shop-42", "ref": "shop-42", "sha": "bffeb74224043ba2feb48d137756c8a9331c449a",
      "user": {"login": "acme", "id": 7, "type": "Organization"},
      "repo": {"id": 140, "name": "shop", "full_name": "acme/shop", "fork": false}
    },
    "base": {
      "label": "acme:main", "ref": "main", "sha": "28e1879d029cb852e4844d9c718537df08844e03",
      "user": {"login": "acme", "id": 7, "type": "Organization"},
      "repo": {"id": 140, "name": "shop", "full_name": "acme/shop", "fork": false}
    },
    "_links": {"self": {"href": "https://api.github.example.org/repos/acme/shop/pulls/17"}},
    "author_association": "CONTRIBUTOR", "auto_merge": null, "active_lock_reason": null,
    "merged": false, "mergeable": null, "merged_by": null, "comments": 0, "commits": 1, "changed_files": 1
  },
  "before": "28e1879d029cb852e4844d9c718537df08844e03",
  "after": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "repository": {
    "id": 140, "name": "shop", "full_name": "acme/shop", "private": true,
    "owner": {"login": "acme", "id": 7, "type": "Organization", "site_admin": false}, "fork": false
  },
  "sender": {"login": "grace", "id": 4, "type": "User", "site_admin": false}
})json";

constexpr std::string_view github_issue_labeled = R"json({
  "action": "labeled",
  "issue": {
    "url": "https://api.github.example.org/repos/acme/shop/issues/42",
    "id": 4445, "node_id": "I_kwDOABCDEF", "number": 42, "title": "Prices are rounded twice",
    "user": {"login": "ada", "id": 3, "type": "User", "site_admin": false},
    "labels": [{"id": 12, "name": "pawl:start", "color": "0e8a16", "default": false}],
    "state": "open", "locked": false, "assignee": null, "assignees": [], "milestone": null, "comments": 0,
    "author_association": "NONE", "active_lock_reason": null, "body": "See the receipt.", "state_reason": null
  },
  "label": {"id": 12, "node_id": "LA_kwDOABCDEF", "name": "pawl:start", "color": "0e8a16", "default": false},
  "repository": {
    "id": 140, "name": "shop", "full_name": "acme/shop", "private": false,
    "owner": {"login": "acme", "id": 7, "type": "Organization", "site_admin": false}, "fork": false
  },
  "sender": {"login": "grace", "id": 4, "type": "User", "site_admin": false}
})json";

constexpr std::string_view github_issue_comment = R"json({
  "action": "created",
  "issue": {
    "id": 4445, "number": 42, "title": "Prices are rounded twice",
    "user": {"login": "ada", "id": 3, "type": "User", "site_admin": false},
    "labels": [], "state": "open", "locked": false, "comments": 1,
    "author_association": "NONE", "body": "See the receipt."
  },
  "comment": {
    "id": 5001, "node_id": "IC_kwDOABCDEF", "issue_url": "https://api.github.example.org/repos/acme/shop/issues/42",
    "user": {"login": "grace", "id": 4, "type": "User", "site_admin": false},
    "created_at": "2026-06-15T10:00:00Z", "author_association": "MEMBER",
    "body": "/pawl start", "performed_via_github_app": null
  },
  "repository": {
    "id": 140, "name": "shop", "full_name": "acme/shop", "private": false,
    "owner": {"login": "acme", "id": 7, "type": "Organization", "site_admin": false}, "fork": false
  },
  "sender": {"login": "grace", "id": 4, "type": "User", "site_admin": false}
})json";

constexpr std::string_view gitlab_push = R"json({
  "object_kind": "push", "event_name": "push",
  "before": "28e1879d029cb852e4844d9c718537df08844e03",
  "after": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "ref": "refs/heads/shop-42", "ref_protected": false,
  "checkout_sha": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "user_id": 3, "user_name": "Ada", "user_username": "ada", "user_email": "", "project_id": 140,
  "project": {
    "id": 140, "name": "Shop", "description": "", "web_url": "https://gitlab.example.org/acme/tools/shop",
    "git_http_url": "https://gitlab.example.org/acme/tools/shop.git", "namespace": "Tools", "visibility_level": 0,
    "path_with_namespace": "acme/tools/shop", "default_branch": "main"
  },
  "repository": {"name": "Shop", "url": "git@gitlab.example.org:acme/tools/shop.git", "visibility_level": 0},
  "commits": [{
    "id": "bffeb74224043ba2feb48d137756c8a9331c449a", "message": "Prices are rounded once", "title": "Prices are rounded once",
    "author": {"name": "Ada", "email": "[REDACTED]"}, "added": [], "modified": ["price.py"], "removed": []
  }],
  "total_commits_count": 1
})json";

constexpr std::string_view gitlab_merge_request = R"json({
  "object_kind": "merge_request", "event_type": "merge_request",
  "user": {"id": 4, "name": "Grace", "username": "grace", "email": "[REDACTED]"},
  "project": {"id": 140, "name": "Shop", "path_with_namespace": "acme/tools/shop", "default_branch": "main"},
  "repository": {"name": "Shop", "url": "git@gitlab.example.org:acme/tools/shop.git"},
  "object_attributes": {
    "id": 990, "iid": 17, "target_branch": "main", "source_branch": "shop-42",
    "source_project_id": 140, "target_project_id": 140, "author_id": 3,
    "title": "Round prices once", "description": "", "state": "opened", "state_id": 1, "draft": false,
    "merge_status": "unchecked", "merge_commit_sha": null,
    "source": {"name": "Shop", "path_with_namespace": "acme/tools/shop"},
    "target": {"name": "Shop", "path_with_namespace": "acme/tools/shop"},
    "last_commit": {"id": "bffeb74224043ba2feb48d137756c8a9331c449a", "message": "Prices are rounded once",
                    "author": {"name": "Ada", "email": "ada@example.org"}},
    "labels": [], "action": "open", "detailed_merge_status": "mergeable"
  },
  "labels": [],
  "changes": {"updated_at": {"previous": "2026-06-15 10:00:00 UTC", "current": "2026-06-15 10:05:00 UTC"}},
  "assignees": [], "reviewers": []
})json";

constexpr std::string_view gitlab_issue = R"json({
  "object_kind": "issue", "event_type": "issue",
  "user": {"id": 4, "name": "Grace", "username": "grace", "email": "[REDACTED]"},
  "project": {"id": 140, "name": "Shop", "path_with_namespace": "acme/tools/shop", "default_branch": "main"},
  "object_attributes": {
    "id": 301, "iid": 42, "title": "Prices are rounded twice", "author_id": 3, "project_id": 140, "confidential": false,
    "description": "See the receipt.", "type": "Issue", "state": "opened", "state_id": 1, "action": "update",
    "labels": [{"id": 206, "title": "pawl:start", "color": "#0e8a16", "type": "ProjectLabel"}]
  },
  "labels": [{"id": 206, "title": "pawl:start", "color": "#0e8a16", "type": "ProjectLabel"}],
  "changes": {
    "updated_at": {"previous": "2026-06-15 10:00:00 UTC", "current": "2026-06-15 10:05:00 UTC"},
    "labels": {
      "previous": [{"id": 205, "title": "API", "color": "#ffffff", "type": "ProjectLabel"}],
      "current": [{"id": 205, "title": "API", "color": "#ffffff", "type": "ProjectLabel"},
                  {"id": 206, "title": "pawl:start", "color": "#0e8a16", "type": "ProjectLabel"}]
    }
  },
  "assignees": []
})json";

constexpr std::string_view gitlab_note_on_issue = R"json({
  "object_kind": "note", "event_type": "note",
  "user": {"id": 4, "name": "Grace", "username": "grace", "email": "[REDACTED]"},
  "project_id": 140,
  "project": {"id": 140, "name": "Shop", "path_with_namespace": "acme/tools/shop", "default_branch": "main"},
  "repository": {"name": "Shop", "url": "git@gitlab.example.org:acme/tools/shop.git"},
  "object_attributes": {
    "id": 1241, "note": "/pawl start", "noteable_type": "Issue", "author_id": 4, "project_id": 140,
    "attachment": null, "line_code": null, "commit_id": "", "noteable_id": 301, "system": false, "st_diff": null,
    "action": "create", "url": "https://gitlab.example.org/acme/tools/shop/issues/42#note_1241"
  },
  "issue": {"id": 301, "iid": 42, "title": "Prices are rounded twice", "author_id": 3, "project_id": 140,
            "description": "See the receipt.", "state": "opened", "labels": []}
})json";

constexpr std::string_view gitlab_note_on_merge_request = R"json({
  "object_kind": "note", "event_type": "note",
  "user": {"id": 4, "name": "Grace", "username": "grace", "email": "[REDACTED]"},
  "project_id": 140,
  "project": {"id": 140, "name": "Shop", "path_with_namespace": "acme/tools/shop", "default_branch": "main"},
  "object_attributes": {
    "id": 1244, "note": "/pawl stop", "noteable_type": "MergeRequest", "author_id": 4, "project_id": 140,
    "commit_id": "", "noteable_id": 990, "system": false, "action": "create"
  },
  "merge_request": {
    "id": 990, "iid": 17, "target_branch": "main", "source_branch": "shop-42",
    "source_project_id": 140, "target_project_id": 140, "title": "Round prices once", "state": "opened", "labels": [],
    "last_commit": {"id": "bffeb74224043ba2feb48d137756c8a9331c449a", "message": "Prices are rounded once"}
  }
})json";

}  // namespace pawl::payloads
