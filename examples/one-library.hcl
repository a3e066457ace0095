# One folder of one library of a real tenant. The person who runs the program signs in
# with a code (`spmirror login`); nothing secret stands in the file.

spmirror {
  required_version = ">= 0.1"
}

variable "tenant_id" {
  type        = string
  description = "Id or verified domain of the tenant."
  default     = "contoso.onmicrosoft.com"
}

variable "client_id" {
  type        = string
  description = "Id of the app registration that allows public clients."
  default     = "11111111-2222-3333-4444-555555555555"
}

tenant "contoso" {
  tenant_id = var.tenant_id

  auth "device_code" {
    client_id = var.client_id
  }
}

mirror "handbook" {
  site   = "https://contoso.sharepoint.com/sites/people"
  folder = "/Handbook"
  target = "./mirror/handbook"

  select {
    exclude  = ["~$*", "*.tmp", "Archive/"]
    max_size = "2GiB"
  }
}
