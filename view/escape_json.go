package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonSafe rewrites encoded JSON so that a terminal can show it: characters that
// printable refuses can stand only inside strings, where \uXXXX means the same.
// The value stays the same, byte for byte once decoded.
func jsonSafe(data []byte) []byte {
	i := 0
	for i < len(data) && data[i] < 0x7f {
		i++
	}
	if i == len(data) {
		return data
	}
	out := bytes.NewBuffer(make([]byte, 0, len(data)+64))
	out.Write(data[:i])
	for i < len(data) {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out.WriteString(`\ufffd`)
		case r < 0x7f || printable(r) && r != utf8.RuneError || r == zwj || r == zwnj:
			out.Write(data[i : i+n])
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(out, `\u%04x`, r)
		}
		i += n
	}
	return out.Bytes()
}

// marshal encodes a value as safe JSON without a newline.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return jsonSafe(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// writeJSONLine writes a value as one line.
func writeJSONLine(w io.Writer, v any) error {
	data, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
