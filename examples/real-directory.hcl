# A real directory in the role of a document library: the emulated tenant serves it,
# and the mirror copies it as it would copy SharePoint. Change a file and plan again
# to see what a change looks like.
#
#   spmirror plan -config=real-directory.hcl -var directory=./documents

spmirror {
  required_version = ">= 0.1"
}

variable "directory" {
  type        = string
  description = "Directory to serve, relative to this file."
}

tenant "local" {
  sandbox {
    directory = var.directory
  }
}

mirror "documents" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "./mirror/documents"

  trash {
    retention = "7d"
  }
}
