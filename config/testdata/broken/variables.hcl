variable "missing" {
  type = sting
}

variable "count" {
  type    = number
  default = "many"
}

variable "stage" {
  type    = string
  default = "dev"
  validation {
    condition     = contains(["prod", "test"], var.stage)
    error_message = "The stage is prod or test, not ${var.stage}."
  }
}

variable "stage" {}

variable "not null" {}

variable "open" {
  nullable = "perhaps"
  validation {
    condition = true
  }
}
