package view

import (
	"bufio"
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/spmirror/spmirror/plan"
)

// StateMirror is a mirror as the state has it.
type StateMirror struct {
	Address    string    `json:"address"`
	Drive      string    `json:"drive"`
	DriveID    string    `json:"drive_id"`
	Tenant     string    `json:"tenant"`
	Folder     string    `json:"folder"`
	FolderID   string    `json:"folder_id"`
	Target     string    `json:"target"`
	Marker     string    `json:"marker"`
	Generation int64     `json:"generation"`
	Files      int64     `json:"files"`
	Folders    int64     `json:"folders"`
	Bytes      int64     `json:"bytes"`
	Pending    int64     `json:"pending"`
	Created    time.Time `json:"created"`
	Crawled    time.Time `json:"crawled,omitzero"`
}

// StateItem is one tracked file or folder.
type StateItem struct {
	Mirror       string `json:"mirror"`
	Path         string `json:"path"`
	ItemID       string `json:"item_id"`
	Folder       bool   `json:"folder,omitempty"`
	Size         int64  `json:"size"`
	Verdict      string `json:"verdict,omitempty"`
	SHA256       string `json:"sha256,omitempty"`
	QuickXorHash string `json:"quickxorhash,omitempty"`
	MTime        string `json:"mtime,omitempty"`
	ETag         string `json:"etag,omitempty"`
	CTag         string `json:"ctag,omitempty"`
	Run          int64  `json:"run,omitempty"`
}

// State is what is recorded, to be shown: the form of a plan's neighbour, what is
// there already. Items are streamed; memory does not grow with them.
type State struct {
	Lineage string
	Serial  int64
	Mirrors []StateMirror
	Items   iter.Seq2[StateItem, error]
	// Names is what is shown of files: full, folders or hashed.
	Names string
}

// items yields the items as they may be shown.
func (s *State) items() iter.Seq2[StateItem, error] {
	n := naming(s.Names)
	return func(yield func(StateItem, error) bool) {
		for i, err := range s.Items {
			i.Path = string(n.path(plan.RelPath(i.Path), i.Folder))
			if !yield(i, err) {
				return
			}
		}
	}
}

// WriteStateJSON writes a state as one JSON document.
func WriteStateJSON(w io.Writer, s *State) error {
	head, err := marshal(struct {
		FormatVersion string        `json:"format_version"`
		Lineage       string        `json:"lineage"`
		Serial        int64         `json:"serial"`
		Mirrors       []StateMirror `json:"mirrors"`
	}{"1.0", s.Lineage, s.Serial, append([]StateMirror{}, s.Mirrors...)})
	if err != nil {
		return fmt.Errorf("write state as JSON: %w", err)
	}
	out := bufio.NewWriterSize(w, 1<<18)
	out.WriteString(strings.TrimSuffix(string(head), "}"))
	if err := writeArray(out, "items", s.lines()); err != nil {
		return fmt.Errorf("write state as JSON: %w", err)
	}
	out.WriteString("}\n")
	return out.Flush()
}

// WriteStateJSONL writes the items of a state, one a line.
func WriteStateJSONL(w io.Writer, s *State) error {
	out := bufio.NewWriterSize(w, 1<<18)
	for line, err := range s.lines() {
		if err != nil {
			return fmt.Errorf("write state as JSON lines: %w", err)
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Flush()
}

func (s *State) lines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i, err := range s.items() {
			var line []byte
			if err == nil {
				line, err = marshal(i)
			}
			if !yield(line, err) {
				return
			}
		}
	}
}

// WriteStateCSV writes one row for each tracked file and folder: the audit list of
// what is on disk, where it came from and how far it was verified.
func WriteStateCSV(w io.Writer, s *State) error {
	out := newCSV(w)
	out.row("mirror", "path", "kind", "bytes", "verdict", "quickxorhash", "sha256", "mtime", "etag", "ctag", "item_id", "run",
		"target", "tenant", "drive", "drive_id", "source_folder")
	mirrors := make(map[string]StateMirror, len(s.Mirrors))
	for _, m := range s.Mirrors {
		mirrors[m.Address] = m
	}
	for i, err := range s.items() {
		if err != nil {
			return fmt.Errorf("write state as CSV: %w", err)
		}
		from := mirrors[i.Mirror]
		out.row(csvCell(i.Mirror), csvPath(plan.RelPath(i.Path)), kindText(i.Folder), number(i.Size), csvCell(i.Verdict), csvCell(i.QuickXorHash),
			csvCell(i.SHA256), csvCell(i.MTime), csvCell(i.ETag), csvCell(i.CTag), csvCell(i.ItemID), number(i.Run),
			csvCell(from.Target), csvCell(from.Tenant), csvCell(from.Drive), csvCell(from.DriveID), csvCell(from.Folder))
	}
	return out.close()
}

// WriteStateMarkdown writes the mirrors of a state as a table of at most maxBytes bytes.
// Mirrors that do not fit are counted below it.
func WriteStateMarkdown(w io.Writer, s *State, marker string, maxBytes int) error {
	if maxBytes <= 0 {
		maxBytes = defaultMarkdownBytes
	}
	var b strings.Builder
	if marker != "" {
		b.WriteString("<!-- " + comment(marker) + " -->\n\n")
	}
	b.WriteString("| Mirror | From | To | Files | Size | Pending | Source read |\n| --- | --- | --- | ---: | ---: | ---: | --- |\n")
	const spare = 80 // for the line that counts what was left out
	for i, m := range s.Mirrors {
		row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", code(m.Address), code(m.from()), code(m.Target), commas(m.Files), size(m.Bytes),
			commas(m.Pending), m.crawled())
		if b.Len()+len(row)+spare > maxBytes {
			fmt.Fprintf(&b, "\n%s more: `spmirror show`\n", count(int64(len(s.Mirrors)-i), "mirror"))
			break
		}
		b.WriteString(row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

//go:embed page/state.html
var stateHTML string

// statePage is what the layout of the page shows above the list of files.
type statePage struct{ s *State }

// Policy is the Content-Security-Policy: nothing is loaded and nothing runs.
func (p statePage) Policy() string {
	return "default-src 'none'; style-src '" + contentHash(pageCSS) + "'; base-uri 'none'; form-action 'none'"
}

// Style is our own style sheet; it holds nothing from outside.
func (p statePage) Style() template.CSS { return template.CSS(pageCSS) }

// Title counts what is tracked.
func (p statePage) Title() string {
	var files, bytes int64
	for _, m := range p.s.Mirrors {
		files, bytes = files+m.Files, bytes+m.Bytes
	}
	return count(files, "file") + " in " + count(int64(len(p.s.Mirrors)), "mirror") + ", " + size(bytes)
}

// Facts are the small print.
func (p statePage) Facts() []pageFact {
	return []pageFact{{"Lineage", Name(p.s.Lineage)}, {"Serial", commas(p.s.Serial)}}
}

// Mirrors lists every mirror with its source and target.
func (p statePage) Mirrors() *pageTable {
	t := &pageTable{Head: []string{"Mirror", "From", "To", "Source read", "Files", "Size", "Pending"}, Text: 4}
	for _, m := range p.s.Mirrors {
		t.Rows = append(t.Rows, []string{Name(m.Address), Name(m.from()), Name(m.Target), m.crawled(), commas(m.Files), size(m.Bytes), commas(m.Pending)})
	}
	return t
}

// WriteStateHTML writes a state as one page that needs no network and no script.
func WriteStateHTML(w io.Writer, s *State) error {
	layout, err := pageLayout(stateHTML)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<18)
	if err := layout.Execute(out, statePage{s}); err != nil {
		return fmt.Errorf("write state as HTML: %w", err)
	}
	for i, err := range s.items() {
		if err != nil {
			return fmt.Errorf("write state as HTML: %w", err)
		}
		bytes := ""
		if !i.Folder {
			bytes = size(i.Size)
		}
		row := []string{i.Mirror, pathText(plan.RelPath(i.Path), i.Folder), bytes, i.Verdict, i.MTime, number(i.Run)}
		out.WriteString("<tr>")
		for column, text := range row {
			class := ""
			if column == 2 || column == 5 {
				class = ` class="n"`
			}
			fmt.Fprintf(out, "<td%s>%s</td>", class, html.EscapeString(Name(text)))
		}
		out.WriteString("</tr>\n")
	}
	out.WriteString("</tbody></table></div></section>\n</main>\n</body>\n</html>\n")
	return out.Flush()
}

// from names the source of a mirror.
func (m *StateMirror) from() string { return m.Drive + ", folder " + m.Folder }

func (m *StateMirror) crawled() string {
	if m.Crawled.IsZero() {
		return "never"
	}
	return stamp(m.Crawled)
}
