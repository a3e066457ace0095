variable "password" {
  type      = string
  default   = "hunter2hunter2"
  sensitive = true
}

tenant "demo" {
  sandbox {}
}

mirror "list" {
  for_each = ["a", "b"]
  drive_id = each.key
  target   = "./mirror/${each.key}"
}

mirror "sensitive" {
  for_each = toset([var.password])
  drive_id = each.key
  target   = "./mirror/${each.key}"
}

mirror "exposed" {
  drive_id = "b!1"
  target   = "./mirror/${var.password}"
}

mirror "cases" {
  for_each = { a = 1, A = 2, "" = 3 }
  drive_id = each.key
  target   = "./mirror/cases-${each.value}"
}

mirror "number" {
  for_each = 5
  drive_id = each.key
  target   = "./mirror/number"
}

mirror "null" {
  for_each = null
  drive_id = each.key
  target   = "./mirror/null"
}

mirror "wrong" {
  for_each = { x = { drive = "b!2", size = "huge" } }
  drive_id = each.value.drive
  target   = "./mirror/wrong"
  select {
    max_size = each.value.size
  }
}
