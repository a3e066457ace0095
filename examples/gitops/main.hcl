# Several libraries of one tenant, planned in the pull request and applied after the
# merge. The pipeline signs in with its own identity (GitHub Actions, Azure DevOps and
# GitLab are found by themselves), so there is no secret to keep.

spmirror {
  required_version = ">= 0.1"

  approval     = "on_delete"
  names        = "folders" # the pull request is read by people who may not see file names
  plan_max_age = "24h"

  backend "sqlite" {
    path = "state/${var.stage}.db"
  }
}

tenant "contoso" {
  tenant_id = var.tenant_id

  auth "oidc" {
    client_id = var.client_id
  }

  limits {
    requests_in_flight = 8
    bandwidth          = "60MiB/s"
    quiet_hours        = "06:00-20:00"
  }
}

locals {
  office_noise = ["~$*", "*.tmp", "Thumbs.db", ".DS_Store"]
}

mirror "library" {
  for_each = var.libraries

  site   = "https://contoso.sharepoint.com/sites/${each.value.site}"
  drive  = each.value.drive
  folder = each.value.folder
  target = "${var.root}/${slug(each.key)}"
  names  = "portable"

  select {
    exclude  = concat(local.office_noise, each.value.exclude)
    max_size = each.value.max_size
  }

  metadata {
    permissions = each.value.confidential ? "sidecar" : "none"
  }

  lifecycle {
    prevent_delete = each.value.confidential
  }
}
