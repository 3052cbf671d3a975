package suites

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// maxRows is how many rows a check may have.
const maxRows = 1000

// A row is what `$(row.x)` stands for in one of the checks that `each` makes of one.
type row struct {
	label  string // the row's key, or row N
	values map[string]any
}

// rows reads `each`: a list of maps, a map of maps by name, or a file that has them.
func (p *parser) rows(n *yaml.Node) []row {
	var rows []row
	switch {
	case n.Kind == yaml.ScalarNode:
		var ok bool
		if rows, ok = p.rowFile(n); !ok {
			return nil
		}
	default:
		p.unfoldValues(n, "rows")
		value, err := strictyaml.JSON(p.file, n)
		var problems strictyaml.Problems
		if errors.As(err, &problems) {
			p.problems = append(p.problems, problems...)
			return nil
		}
		rows = p.rowsOf(n, ordered(n), value)
	}
	switch {
	case len(rows) > maxRows:
		p.wrong(n, "", "%d rows, want at most %d", len(rows), maxRows)
		return nil
	case len(rows) == 0:
		return nil // said already
	}
	return p.alike(n, rows)
}

// ordered are the keys of a map as they stand.
func ordered(n *yaml.Node) []string {
	var keys []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
	}
	return keys
}

// rowsOf takes rows out of a list or a map, whose keys come in the given order.
func (p *parser) rowsOf(n *yaml.Node, keys []string, value any) []row {
	const hint = "write [{id: 1}, {id: 2}], {first: {id: 1}}, or rows.csv"
	var rows []row
	add := func(label string, item any) {
		values, is := item.(map[string]any)
		if !is || len(values) == 0 {
			p.wrong(n, hint, "%s is no map of values", label)
			return
		}
		rows = append(rows, row{label, values})
	}
	before := len(p.problems)
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			add("row "+strconv.Itoa(i+1), item)
		}
	case map[string]any:
		for _, key := range keys {
			add(key, value[key])
		}
	default:
		p.wrong(n, hint, "each takes rows")
	}
	if len(rows) == 0 && len(p.problems) == before {
		p.wrong(n, hint, "each without a row would ask nothing")
	}
	return rows
}

// alike refuses rows that have other names than the first one, and names that can't be written.
func (p *parser) alike(n *yaml.Node, rows []row) []row {
	for name := range rows[0].values {
		if !checks.IsName(name) {
			p.wrong(n, "", "%q is no name for a value of a row: want letters, digits, dashes and underscores", name)
			return nil
		}
	}
	for _, r := range rows[1:] {
		for name := range r.values {
			if _, known := rows[0].values[name]; !known {
				p.wrong(n, "rows have the same names", "%s has %q, which %s hasn't", r.label, name, rows[0].label)
				return nil
			}
		}
		for name := range rows[0].values {
			if _, known := r.values[name]; !known {
				p.wrong(n, "rows have the same names", "%s lacks %q, which %s has", r.label, name, rows[0].label)
				return nil
			}
		}
	}
	return rows
}

// rowFile reads rows from a file; false means that a problem was told.
func (p *parser) rowFile(n *yaml.Node) ([]row, bool) {
	full, data, err := p.files.of(p.dir, n.Value)
	if err != nil {
		p.wrong(n, "", "each %s: %s", n.Value, err)
		return nil, false
	}
	before := len(p.problems)
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var rows []row
	switch path.Ext(full) {
	case ".csv":
		rows = p.csvRows(p.shown(full), data)
	case ".json":
		rows = p.jsonRows(p.shown(full), data)
	default:
		p.wrong(n, "want a name that ends in .csv or .json", "each %s: rows come from CSV and JSON", n.Value)
	}
	return rows, len(p.problems) == before
}

// csvRows reads comma-separated rows beneath a line of names. A cell that is a JSON number, true or false is that.
func (p *parser) csvRows(file string, data []byte) []row {
	wrong := func(line, column int, format string, args ...any) []row {
		p.problems = append(p.problems, strictyaml.Problem{File: file, Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
		return nil
	}
	reader := csv.NewReader(bytes.NewReader(data))
	names, err := reader.Read()
	switch {
	case errors.Is(err, io.EOF):
		return wrong(1, 1, "is empty, want a line of names and rows beneath it")
	case err != nil:
		return wrong(csvPlace(err))
	}
	for i, name := range names {
		line, column := reader.FieldPos(i)
		if !checks.IsName(name) || slices.Index(names, name) < i {
			return wrong(line, column, "column %d is called %q, want different names of letters, digits, dashes and underscores", i+1, name)
		}
	}
	var rows []row
	for {
		cells, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF) && len(rows) == 0:
			return wrong(1, 1, "has names and no rows")
		case errors.Is(err, io.EOF):
			return rows
		case err != nil:
			return wrong(csvPlace(err))
		case len(rows) == maxRows:
			line, column := reader.FieldPos(0)
			return wrong(line, column, "more than %d rows", maxRows)
		}
		values := make(map[string]any, len(names))
		for i, name := range names {
			values[name] = cell(cells[i])
		}
		rows = append(rows, row{"row " + strconv.Itoa(len(rows)+1), values})
	}
}

func csvPlace(err error) (line, column int, format string, text any) {
	var at *csv.ParseError
	if errors.As(err, &at) {
		return at.Line, max(at.Column, 1), "%s", at.Err
	}
	return 1, 1, "%s", err
}

func cell(text string) any {
	value, problem := strictyaml.Scalar("", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text})
	if problem != nil || value == nil {
		return text
	}
	return value
}

// jsonRows reads a list of objects, or an object of objects by name.
func (p *parser) jsonRows(file string, data []byte) []row {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	keys, value, err := document(d, 1)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something behind the JSON document")
		}
	}
	if err != nil {
		read := string(data[:min(int(d.InputOffset()), len(data))])
		line := strings.Count(read, "\n") + 1
		column := len(read) - strings.LastIndexByte(read, '\n')
		p.problems = append(p.problems, strictyaml.Problem{File: file, Line: line, Column: column, Text: "is no JSON: " + err.Error()})
		return nil
	}
	back := p.place
	defer func() { p.place = back }()
	p.file = file
	return p.rowsOf(&yaml.Node{Line: 1, Column: 1}, keys, value)
}

// document reads a value, and the keys of the outermost object as they stand. A key that comes twice is an error: one of
// two rows would vanish.
func document(d *json.Decoder, depth int) (keys []string, value any, err error) {
	if depth > strictyaml.MaxDepth {
		return nil, nil, fmt.Errorf("nested deeper than %d levels", strictyaml.MaxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, nil, plainJSON(err)
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			_, item, err := document(d, depth+1)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, item)
		}
		_, err = d.Token()
		return nil, list, plainJSON(err)
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, nil, plainJSON(err)
			}
			name, _ := key.(string)
			if _, twice := object[name]; twice {
				return nil, nil, fmt.Errorf("duplicate key %q", name)
			}
			if _, object[name], err = document(d, depth+1); err != nil {
				return nil, nil, err
			}
			keys = append(keys, name)
		}
		_, err = d.Token()
		return keys, object, plainJSON(err)
	}
	return nil, token, nil
}

func plainJSON(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("it ends too early")
	}
	return err
}
