// Payloads of Gitea and Plane, field by field as their source code builds them (docs/WEBHOOKS.md has the links), with
// most of the lists and user objects left out. Values are invented.
#pragma once

#include <string>
#include <string_view>

namespace pawl::payloads {

constexpr std::string_view gitea_push = R"json({
  "ref": "refs/heads/shop-42",
  "before": "28e1879d029cb852e4844d9c718537df08844e03",
  "after": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "compare_url": "https://git.example.org/acme/shop/compare/28e1879d029c...bffeb7422404",
  "commits": [
    {
      "id": "bffeb74224043ba2feb48d137756c8a9331c449a",
      "message": "Prices are rounded once — at the end\n",
      "url": "https://git.example.org/acme/shop/commit/bffeb74224043ba2feb48d137756c8a9331c449a",
      "author": {"name": "Ada", "email": "ada@example.org", "username": "ada"},
      "committer": {"name": "Ada", "email": "ada@example.org", "username": "ada"},
      "verification": null,
      "timestamp": "2026-06-15T10:00:00Z",
      "added": [],
      "removed": [],
      "modified": ["price.py"]
    }
  ],
  "total_commits": 1,
  "head_commit": {"id": "bffeb74224043ba2feb48d137756c8a9331c449a", "message": "Prices are rounded once — at the end\n"},
  "repository": {
    "id": 140,
    "owner": {"id": 7, "login": "acme", "full_name": "", "email": "", "username": "acme"},
    "name": "shop",
    "full_name": "acme/shop",
    "description": "",
    "private": true,
    "fork": false,
    "clone_url": "https://git.example.org/acme/shop.git",
    "default_branch": "main",
    "permissions": {"admin": false, "push": false, "pull": false}
  },
  "pusher": {"id": 3, "login": "ada", "username": "ada"},
  "sender": {"id": 3, "login": "ada", "username": "ada"}
})json";

constexpr std::string_view gitea_status = R"json({
  "commit": {
    "id": "bffeb74224043ba2feb48d137756c8a9331c449a",
    "message": "Prices are rounded once — at the end\n",
    "url": "https://git.example.org/acme/shop/commit/bffeb74224043ba2feb48d137756c8a9331c449a",
    "author": {"name": "Ada", "email": "ada@example.org", "username": ""},
    "committer": {"name": "Ada", "email": "ada@example.org", "username": ""},
    "verification": null,
    "timestamp": "2026-06-15T10:00:00Z",
    "added": null,
    "removed": null,
    "modified": null
  },
  "context": "ci/tests (push)",
  "created_at": "2026-06-15T10:05:00Z",
  "description": "Successful in 1m17s",
  "id": 5021,
  "repository": {"id": 140, "name": "shop", "full_name": "acme/shop", "default_branch": "main"},
  "sender": {"id": 3, "login": "ada", "username": "ada"},
  "sha": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "state": "success",
  "target_url": "/acme/shop/actions/runs/12/jobs/0",
  "updated_at": null
})json";

constexpr std::string_view gitea_pull_request_synchronized = R"json({
  "action": "synchronized",
  "number": 17,
  "pull_request": {
    "id": 901,
    "url": "https://git.example.org/acme/shop/pulls/17",
    "number": 17,
    "user": {"id": 3, "login": "ada", "username": "ada"},
    "title": "Round prices once",
    "state": "open",
    "mergeable": true,
    "merged": false,
    "merged_at": null,
    "merge_commit_sha": null,
    "merged_by": null,
    "base": {"label": "main", "ref": "main", "sha": "28e1879d029cb852e4844d9c718537df08844e03", "repo_id": 140,
             "repo": {"id": 140, "name": "shop", "full_name": "acme/shop"}},
    "head": {"label": "shop-42", "ref": "shop-42", "sha": "bffeb74224043ba2feb48d137756c8a9331c449a", "repo_id": 140,
             "repo": {"id": 140, "name": "shop", "full_name": "acme/shop"}},
    "merge_base": "28e1879d029cb852e4844d9c718537df08844e03"
  },
  "requested_reviewer": null,
  "repository": {"id": 140, "name": "shop", "full_name": "acme/shop", "default_branch": "main"},
  "sender": {"id": 3, "login": "ada", "username": "ada"},
  "commit_id": "",
  "review": null
})json";

constexpr std::string_view gitea_pull_request_merged = R"json({
  "action": "closed",
  "number": 17,
  "pull_request": {
    "id": 901,
    "number": 17,
    "title": "Round prices once",
    "state": "closed",
    "merged": true,
    "merged_at": "2026-06-15T11:00:00Z",
    "merge_commit_sha": "411acbb5098d2257592f94bfa1bbf121cb61df78",
    "merged_by": {"id": 4, "login": "grace", "username": "grace"},
    "base": {"label": "main", "ref": "main", "sha": "28e1879d029cb852e4844d9c718537df08844e03", "repo_id": 140},
    "head": {"label": "shop-42", "ref": "shop-42", "sha": "bffeb74224043ba2feb48d137756c8a9331c449a", "repo_id": 140}
  },
  "repository": {"id": 140, "name": "shop", "full_name": "acme/shop", "default_branch": "main"},
  "sender": {"id": 4, "login": "grace", "username": "grace"}
})json";

/// The first form, from Plane's open-source server: one delivery for each changed field, which `activity` names.
constexpr std::string_view plane_issue_started = R"json({
  "event": "issue",
  "action": "updated",
  "webhook_id": "f1a2fe64-c8d4-4eed-b3ef-498690052c1d",
  "workspace_id": "c467e125-59e3-44ec-b5ee-f9c1e138c611",
  "data": {
    "id": "9a28bd00-ed9c-4f5d-8be9-fc05cbb1fc57",
    "state": {
      "id": "0a1c1f3e-8f0e-4c5f-9b0a-7d1e2f3a4b5c",
      "name": "In Progress",
      "color": "#f59e0b",
      "group": "started"
    },
    "labels": [],
    "assignees": [],
    "created_at": "2026-06-15T09:00:00.123456Z",
    "updated_at": "2026-06-15T10:00:00.654321Z",
    "deleted_at": null,
    "point": null,
    "name": "Round prices once",
    "description_html": "<p></p>",
    "priority": "high",
    "start_date": null,
    "sequence_id": 42,
    "sort_order": 65535.0,
    "is_draft": false,
    "project": "22b6fc9c-1849-45da-b103-52a3e3a6b4c1",
    "workspace": "c467e125-59e3-44ec-b5ee-f9c1e138c611",
    "parent": null
  },
  "activity": {
    "field": "state_id",
    "new_value": "0a1c1f3e-8f0e-4c5f-9b0a-7d1e2f3a4b5c",
    "old_value": "5d0c7a5e-1111-4222-8333-944455556666",
    "actor": {"id": "6bb20d1c-4960-41ca-af4f-cee01de160c4", "display_name": "ada"},
    "old_identifier": null,
    "new_identifier": null
  }
})json";

/// The second form: one delivery for each change, with the previous values and an event id.
constexpr std::string_view plane_workitem_updated = R"json({
  "version": "v2",
  "delivery_id": "7f8c2f9e-3f4d-4a0b-8d1c-000000000001",
  "event_id": "5b1b7c1a-2b3c-4d5e-8f90-0123456789ab",
  "entity_id": "9a28bd00-ed9c-4f5d-8be9-fc05cbb1fc57",
  "entity_type": "issue",
  "event": "workitem.updated",
  "webhook_id": "f1a2fe64-c8d4-4eed-b3ef-498690052c1d",
  "workspace_id": "c467e125-59e3-44ec-b5ee-f9c1e138c611",
  "data": {
    "id": "9a28bd00-ed9c-4f5d-8be9-fc05cbb1fc57",
    "name": "Round prices once",
    "identifier": "SHOP-42",
    "sequence_id": 42,
    "priority": "high",
    "project_id": "22b6fc9c-1849-45da-b103-52a3e3a6b4c1",
    "state_id": "0a1c1f3e-8f0e-4c5f-9b0a-7d1e2f3a4b5c",
    "state_group": "started"
  },
  "previous_attributes": {"state_id": "5d0c7a5e-1111-4222-8333-944455556666"}
})json";

/// `text` with one piece replaced. Requires: it contains that piece.
inline std::string with(std::string_view text, std::string_view piece, std::string_view other) {
  std::string out(text);
  return out.replace(out.find(piece), piece.size(), other);
}

}  // namespace pawl::payloads
