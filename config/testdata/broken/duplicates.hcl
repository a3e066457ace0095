spmirror {}
spmirror {}

guard {}
guard {}

locals {
  a = 1
}
locals {
  a = 2
}

tenant "demo" {
  sandbox {}
}

mirror "m" {
  drive_id = "b!1"
  target   = "./mirror/m"
}

mirror "m" {
  drive_id = "b!2"
  target   = "./mirror/m2"
}

mirror "M" {
  drive_id = "b!2"
  target   = "./mirror/m3"
}

mirror "1m" {
  drive_id = "b!3"
  target   = "./mirror/m4"
}

mirror {
  drive_id = "b!4"
  target   = "./mirror/m5"
}
