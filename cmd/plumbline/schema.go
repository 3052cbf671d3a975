package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/reporters"
	"github.com/plumbline-dev/plumbline/suites"
)

// A schemaOf makes the JSON Schema of one kind of document.
type schemaOf func() map[string]any

// schemas are what the schema command prints, by name.
func schemas() map[string]schemaOf {
	return map[string]schemaOf{
		"suite":   suites.Schema,
		"config":  configs.Schema,
		"event":   eventSchema,
		"verdict": documentSchema("verdict", "the verdict of a run", plumbline.Verdict{}, object{"schema": object{"const": plumbline.VerdictSchema}}),
		"gate":    documentSchema("gate", "the answer of a gate", plumbline.Gate{}, object{"schema": object{"const": plumbline.GateSchema}}),
		"ndjson":  lineSchema,
	}
}

func (a *app) schemaCommand() *cobra.Command {
	names := slices.Sorted(maps.Keys(schemas()))
	return &cobra.Command{
		Use:   "schema NAME",
		Short: "the JSON Schema of suites, settings, events, verdicts and gates",
		Long: `Prints a JSON Schema (2020-12): of suite and config, which editors complete from; of event, which pipelines send; of
verdict, gate and ndjson (the lines of run --format ndjson), which programs read.`,
		Example: `  plumbline schema suite > suite.schema.json
  # yaml-language-server: $schema=suite.schema.json`,
		ValidArgs: names,
		Args:      arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			schema, known := schemas()[args[0]]
			if !known {
				return usagef("unknown schema %q%s; there are %s", args[0], didYouMean(args[0], names), strings.Join(names, ", "))
			}
			return writeJSON(a.Out, schema())
		},
	}
}

// documentSchema describes a document by the type that it is written from; more says what the type doesn't.
func documentSchema(name, title string, of any, more object) schemaOf {
	return func() map[string]any {
		schema := jsonShape(reflect.TypeOf(of))
		maps.Copy(schema["properties"].(object), more)
		return headed(schema, name, title)
	}
}

func headed(schema object, name, title string) object {
	schema["$schema"], schema["$id"], schema["title"] = "https://json-schema.org/draft/2020-12/schema", schemaID(name), title
	return schema
}

func schemaID(name string) string { return "https://plumbline.dev/schemas/" + name + ".json" }

// lineSchema describes one line of a run: the one that its event names.
func lineSchema() map[string]any {
	schema := jsonShape(reflect.TypeFor[reporters.Line]())
	schema["properties"].(object)["event"] = object{"enum": []string{reporters.EventRun, reporters.EventCheck, reporters.EventVerdict}}
	var lines []any
	for _, event := range []string{reporters.EventRun, reporters.EventCheck, reporters.EventVerdict} {
		lines = append(lines, object{"properties": object{"event": object{"const": event}}, "required": []string{event}})
	}
	schema["oneOf"] = lines
	return headed(schema, "ndjson", "a line of plumbline run --format ndjson")
}
