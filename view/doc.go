// Package view shows plans, runs and progress: as text, JSON events, complete
// JSON, JSON lines, CSV and Markdown.
//
// It starts from the public models of plan and apply and decides nothing. Here
// live wording, layout, numbers for people, and the encoding of foreign text for
// each sink. Not here: exit codes, prompts, files that are opened or replaced.
// Lists are streamed; memory does not grow with the number of changes.
//
// The one invariant to know: names and messages from outside reach a sink only
// through that sink's encoder (I-65), and every number shown comes from the items
// themselves: a plan whose header and items disagree is refused, not shown.
package view
