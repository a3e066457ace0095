package sandbox

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendString appends s as a JSON string. Bytes that are not UTF-8 pass as they are: only hostile
// names have them, and there they are meant (H-25).
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendTime appends a time in whole seconds as JSON string (V2).
func appendTime(b []byte, unix int64) []byte {
	days, secs := unix/86400, unix%86400
	if secs < 0 {
		days, secs = days-1, secs+86400
	}
	// The civil date of a day number, counted in eras of 400 years that begin in March.
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day := doy - (153*mp+2)/5 + 1
	month, year := mp+3, yoe+era*400
	if month > 12 {
		month, year = month-12, year+1
	}
	b = append(b, '"')
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), month, 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), secs/3600, 2)
	b = appendDigits(append(b, ':'), secs/60%60, 2)
	b = appendDigits(append(b, ':'), secs%60, 2)
	return append(b, 'Z', '"')
}

func appendDigits(b []byte, v int64, width int) []byte {
	var d [20]byte
	i := len(d)
	for v > 0 || width > 0 {
		i--
		d[i] = byte('0' + v%10)
		v, width = v/10, width-1
	}
	return append(b, d[i:]...)
}

// appendSegment percent-encodes one segment of a webUrl.
func appendSegment(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c < utf8.RuneSelf && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~!$&'()*+,;=@", c) >= 0):
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

// mimeTypes are guessed by the server from the name (V10).
var mimeTypes = map[string]string{
	".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html", ".aspx": "text/html",
	".json": "application/json", ".xml": "text/xml", ".pdf": "application/pdf", ".zip": "application/x-zip-compressed",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml", ".heic": "image/heic",
	".mp4": "video/mp4", ".mp3": "audio/mpeg", ".one": "application/msonenote",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".msg":  "application/vnd.ms-outlook",
}

func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 6 {
		return ""
	}
	return strings.ToLower(name[i:])
}

func mimeType(name string) string {
	if m, ok := mimeTypes[extension(name)]; ok {
		return m
	}
	return "application/octet-stream"
}

// isOffice reports files whose webUrl is the address of a viewer (N12).
func isOffice(ext string) bool { return ext == ".docx" || ext == ".xlsx" || ext == ".pptx" }
