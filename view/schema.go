package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
)

// Names of the schemas.
const (
	SchemaPlan   = "plan"   // show -json
	SchemaEvents = "events" // one line of -json and -json-into
	SchemaReport = "report" // -report=FILE.json
	SchemaDoctor = "doctor" // doctor -json
)

// Schemas lists every schema.
var Schemas = [...]string{SchemaPlan, SchemaEvents, SchemaReport, SchemaDoctor}

// ErrSchema says that there is no schema of that name.
var ErrSchema = errors.New("schemas are plan, events, report and doctor")

// Schema returns the JSON Schema (draft 2020-12) of one of the documents. It is
// made from the types that are written, so the two cannot part. Later versions may
// add members, so a schema allows members that it does not know.
func Schema(name string) ([]byte, error) {
	return schemaOf(name, false)
}

// schemaOf makes a schema; a strict one refuses unknown members, for our own tests.
func schemaOf(name string, strict bool) ([]byte, error) {
	s := schema{defs: make(map[string]any), strict: strict}
	var root map[string]any
	version := plan.FormatVersion
	switch name {
	case SchemaPlan:
		root = s.object(reflect.TypeFor[planDocument]())
	case SchemaEvents:
		root, version = s.events(), UIVersion
	case SchemaReport:
		root, version = s.object(reflect.TypeFor[reportDocument]()), ReportVersion
	case SchemaDoctor:
		root, version = s.object(reflect.TypeFor[DoctorReport]()), DoctorVersion
	default:
		return nil, ErrSchema
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "urn:spmirror:schema:" + name + ":" + version
	root["title"] = schemaTitles()[name]
	root["$defs"] = s.defs
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	return append(data, '\n'), nil
}

func schemaTitles() map[string]string {
	return map[string]string{
		SchemaPlan:   "A plan of spmirror, as `spmirror show -json FILE` prints it",
		SchemaEvents: "One line of the events that `spmirror plan -json`, `spmirror apply -json` and `spmirror watch -json` print",
		SchemaReport: "The results of an apply, as `spmirror apply -report=FILE.json` writes them",
		SchemaDoctor: "What `spmirror doctor -json` found",
	}
}

// planDocument is the form of show -json.
type planDocument struct {
	plan.Header
	ItemChanges []plan.Change `json:"item_changes"`
	ItemDrift   []plan.Drift  `json:"item_drift"`
}

// reportDocument is the form of -report=FILE.json.
type reportDocument struct {
	jsonReport
	Results []apply.Result `json:"results"`
}

// schema collects the definitions of named types.
type schema struct {
	defs   map[string]any
	strict bool
}

// of returns the schema of a type; a struct becomes a reference.
func (s *schema) of(t reflect.Type) map[string]any {
	if fixed := schemaOfValues(t); fixed != nil {
		return fixed
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		s.define(t)
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "propertyNames": s.of(t.Key()), "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64, reflect.Float32:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "integer"}
}

// schemaOfValues knows the types whose values are more than their kind says.
func schemaOfValues(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[plan.Action]():
		return map[string]any{"type": "string", "enum": plan.Actions}
	case reflect.TypeFor[CheckStatus]():
		return map[string]any{"type": "string", "enum": []CheckStatus{CheckOK, CheckWarn, CheckFail, CheckSkip}}
	case reflect.TypeFor[plan.Cause]():
		return map[string]any{"type": "string", "enum": plan.Causes}
	case reflect.TypeFor[plan.Reason]():
		return map[string]any{"type": "string", "examples": slices.Sorted(maps.Keys(phrases()))}
	case reflect.TypeFor[plan.DriftKind]():
		return map[string]any{"type": "string", "enum": plan.DriftKinds}
	case reflect.TypeFor[apply.Outcome]():
		return map[string]any{"type": "string", "enum": []apply.Outcome{apply.Done, apply.Failed, apply.Superseded, apply.Postponed, apply.Held}}
	}
	return nil
}

func (s *schema) define(t reflect.Type) {
	if _, known := s.defs[t.Name()]; known {
		return
	}
	s.defs[t.Name()] = nil // a type that holds itself ends here
	s.defs[t.Name()] = s.object(t)
}

// object is the schema of a struct: members without omitempty are always there.
func (s *schema) object(t reflect.Type) map[string]any {
	properties := make(map[string]any)
	required := []string{}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		if f.Anonymous || tag == "" || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		properties[name] = s.of(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "required": required}
	if text := schemaTexts()[t.Name()]; text != "" {
		out["description"] = text
	}
	if s.strict {
		out["additionalProperties"] = false
	}
	return out
}

func schemaTexts() map[string]string {
	return map[string]string{
		"Change":       "One item that an apply would touch, or that is held back (blocked). The last of actions decides how it is counted and run.",
		"ConfigChange": "A setting that differs from when the mirror was last applied; null means not set.",
		"Drift":        "A difference between the disk and what was applied to it.",
		"FolderRow":    "Changes below one folder. The row with an empty path sums all folders without a row.",
		"GuardResult":  "The outcome of a guard: pass, blocked or overridden.",
		"CheckResult":  "The outcome of a check block: pass, fail or error.",
		"Mirror":       "One mirror's part of the plan. problem is there only when the mirror could not be planned.",
		"Remote":       "What the source said of the item: the precondition of a download. A size of -1 is unknown.",
		"Local":        "What is expected on disk: the precondition of touching it.",
		"Sum":          "A count of items and the bytes they concern.",
		"Result":       "The outcome of one change.",
	}
}

// eventShapes says which members an event of each type has beside those that all
// events have.
func eventShapes() map[string]map[string]reflect.Type {
	crawl := map[string]reflect.Type{"hook": reflect.TypeFor[crawlHook]()}
	apply := map[string]reflect.Type{"hook": reflect.TypeFor[applyHook]()}
	text := reflect.TypeFor[string]()
	return map[string]map[string]reflect.Type{
		"version":       {"spmirror": text, "ui": text},
		"refresh_start": crawl, "refresh_complete": crawl, "refresh_errored": crawl,
		"diagnostic":     {"diagnostic": reflect.TypeFor[plan.Diagnostic]()},
		"planned_change": {"change": reflect.TypeFor[plannedChange]()},
		"resource_drift": {"drift": reflect.TypeFor[driftCount]()},
		"change_summary": {"changes": reflect.TypeFor[changeSummary]()},
		"plan_summary": {"totals": reflect.TypeFor[planTotals](), "causes": reflect.TypeFor[map[plan.Cause]int64](),
			"estimate": reflect.TypeFor[estimate]()},
		"apply_start": apply, "apply_progress": apply, "apply_complete": apply, "apply_errored": apply,
		"item_errored": {"hook": reflect.TypeFor[itemHook]()},
		"throttle":     {"hook": reflect.TypeFor[pauseHook]()},
		"network":      {"hook": reflect.TypeFor[pauseHook]()},
		"run_report":   {"report": reflect.TypeFor[runReport]()},
		"watch":        {"hook": reflect.TypeFor[WatchNote]()},
	}
}

// events is the schema of one line: what all events have, and by type what else.
func (s *schema) events() map[string]any {
	out := s.object(reflect.TypeFor[event]())
	properties := out["properties"].(map[string]any)
	properties["@level"] = map[string]any{"enum": []string{levelInfo, levelWarn, levelError}}
	properties["@timestamp"] = map[string]any{"type": "string", "format": "date-time"}
	var byType []any
	shapes := eventShapes()
	for _, name := range sortedKeys(shapes) {
		members, required := make(map[string]any), []string{}
		for _, member := range sortedKeys(shapes[name]) {
			members[member] = s.of(shapes[name][member])
			required = append(required, member)
		}
		byType = append(byType, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"type": map[string]any{"const": name}}},
			"then": map[string]any{"properties": members, "required": required},
		})
	}
	if s.strict {
		properties["type"] = map[string]any{"enum": sortedKeys(shapes)}
	}
	out["allOf"] = byType
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
