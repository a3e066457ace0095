module "remote" {
  source = "git::https://example.com/mod"
}

module "outside" {
  source = "../outside"
}

module "itself" {
  source = "./"
}

module "none" {
}

module "absent" {
  source = "./absent"
}
