// Package graph talks to Microsoft Graph: it finds sites and drives, reads delta pages and single items, opens file
// content on pre-authenticated addresses, and keeps subscriptions to change notifications.
//
// What lives here: requests, the policy for addresses, the gate that paces every request of a tenant, retries, token
// healing, and the strict reading of answers. What may not: state, disks, plans, configuration. Where tokens come from
// is the business of graph/auth; this package only asks a TokenSource.
//
// The invariant to know: every address a server hands out is opaque and untrusted. It is checked against one policy
// (address.go) before anything is sent, replayed byte for byte, and never shown in an error or a log. Tokens go to the
// configured Graph root and nowhere else.
//
// A call passes these links, outermost first; each has its own file:
//
//	retry     bounded attempts of one idempotent read, including the reading of its answer
//	heal      puts the token on, renews it once after a 401
//	gate      one pause, one budget and one concurrency for all callers of a tenant
//	decorate  user agent, request id, accepted forms
//	log       one debug line for each exchange
//	deadline  an end to every wait
//
// Retry stands outside because each attempt must pass the gate again, and because only the reader of a body can tell
// that it was cut short. Requests to content hosts use the same links without heal.
package graph
