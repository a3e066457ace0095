// Package config turns HCL files into the desired state of the mirrors.
//
// Here live: finding and parsing the configuration files and the files of
// values, the language (variables, locals, functions, for_each, dynamic blocks,
// modules), the public model of what was declared ([Config], [Tenant],
// [Mirror], ...), the checks that need no network and no state, the table of
// diagnostic codes and the two ways to print diagnostics (text and JSON).
//
// Here may not live: anything that talks to Microsoft Graph, reads the state or
// touches a target. This room knows hcl and cty; no other room does, so nothing
// of the public model is a cty value. The only foreign type that leaves the room
// is [hcl.Range] and [hcl.Diagnostics].
//
// The invariant to know: loading is a pure function of the bytes below the
// configuration directory, the variable values, the named environment entries
// and the answers of the [DataSource]. It starts no process, opens no
// connection, and reads no file outside the configuration directory (T-12),
// because a pipeline plans branches written by strangers. A value that is
// marked sensitive leaves the room only as a [Secret] (T-11).
//
// Every mistake is reported, not the first only, and each carries a stable code
// from the one table in codes.go.
package config
