variable "stage" {
  type        = string
  description = "Which of our environments this is."

  validation {
    condition     = contains(["prod", "test"], var.stage)
    error_message = "The stage is prod or test, not ${var.stage}."
  }
}

variable "tenant_id" {
  type = string
}

variable "client_id" {
  type = string
}

variable "root" {
  type        = string
  description = "Directory above all targets."
  default     = "./mirror"
}

variable "libraries" {
  description = "The libraries to mirror, by a short name that becomes part of the address."

  type = map(object({
    site         = string
    drive        = optional(string)
    folder       = optional(string, "/")
    exclude      = optional(list(string), [])
    max_size     = optional(string, "2GiB")
    confidential = optional(bool, false)
  }))
}
