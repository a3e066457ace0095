// Package crawl brings the observed side of the state up to date with a drive.
//
// It asks Microsoft Graph for what changed since the last round, stages the
// answer page by page, and merges it when the round is complete. Here live
// rounds, resumption, settling, resynchronisation and the guards against
// endless paging. Not here: requests and their retries (graph), SQL (state), and
// any decision about what is mirrored (plan). It is the only room that knows
// both graph and state.
//
// The one invariant to know: nothing that a round says is believed before its
// deltaLink has arrived, and that link is stored in the transaction that stores
// the round's effects (I-32). A round that ends in any other way leaves the
// observed items as they were.
package crawl
