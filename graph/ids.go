package graph

import "strings"

// DriveID names a drive, as the service spelled it. Compare with SameDrive: the spelling differs between answers.
type DriveID string

// ItemID names an item inside its drive. It is opaque, case-sensitive and means nothing in another drive (D24).
type ItemID string

// SiteID names a site: host name, site collection and web, separated by commas (S1).
type SiteID string

// SameDrive tells whether two ids name one drive. Answers differ in the case of the letters (quirk Q34).
func SameDrive(a, b DriveID) bool { return strings.EqualFold(string(a), string(b)) }

// Link is an address that continues or repeats a delta enumeration. It is opaque: it is stored and sent back byte for
// byte, and never parsed for its meaning (D2).
type Link string
