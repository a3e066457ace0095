// Command spmirror mirrors SharePoint libraries and OneDrives to directories, by
// plan and apply.
//
// Each command has a file of its own: it parses flags, calls the rooms, renders
// what they return and chooses the exit code. No decision about mirrors is made
// here.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args, processEnvironment()))
}
