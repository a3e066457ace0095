tenant "demo" {
  sandbox {}
}

mirror "none" {
  target = "./mirror/none"
}

mirror "several" {
  site     = "https://contoso.sharepoint.com/sites/people"
  drive_id = "b!abc"
  target   = "./mirror/several"
}

mirror "page" {
  site   = "https://contoso.sharepoint.com/sites/people/Shared%20Documents/Forms/AllItems.aspx"
  target = "./mirror/page"
}

mirror "folder" {
  user   = "ada@contoso.com"
  folder = "/A/../B"
  target = "./mirror/folder"
}

mirror "drive" {
  share_url = "http://contoso.sharepoint.com/:f:/s/people"
  drive     = "Documents"
  target    = "./mirror/drive"
}
