package main

import (
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// variables reads NAME=VALUE, where a value is as YAML would have it.
func variables(pairs []string) (map[string]any, error) {
	vars := map[string]any{}
	for _, pair := range pairs {
		name, text, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, usagef("--var %q: want NAME=VALUE", pair)
		}
		node, err := strictyaml.Parse("--var "+name, []byte(text))
		if err != nil {
			vars[name] = text
			continue
		}
		if vars[name], err = strictyaml.JSON("--var "+name, node); err != nil {
			vars[name] = text
		}
	}
	return vars, nil
}

// choose keeps the named and tagged checks, with what they need and what takes back after them. A choice of nothing is an error: it would prove nothing.
func choose(checks []plumbline.Check, only, tags []string) ([]plumbline.Check, error) {
	if len(only) == 0 && len(tags) == 0 {
		return checks, nil
	}
	chosen := map[string]bool{}
	var names []string
	for _, c := range checks {
		group, _, _ := strings.Cut(c.Name, " [") // of rows
		names = append(names, c.Name, group)
		if slices.Contains(only, c.Name) || slices.Contains(only, group) || slices.ContainsFunc(c.Tags, func(t string) bool { return slices.Contains(tags, t) }) {
			chosen[c.ID()] = true
		}
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, usagef("--only %q: no such check%s", name, didYouMean(name, names))
		}
	}
	if len(chosen) == 0 {
		return nil, usagef("--tag %s: no check has it, and a run of nothing proves nothing", strings.Join(tags, ", "))
	}
	for grown := true; grown; {
		grown = false
		for _, c := range checks {
			for _, need := range c.Needs {
				id := plumbline.Check{Suite: c.Suite, Name: need}.ID()
				if chosen[c.ID()] && !chosen[id] {
					chosen[id], grown = true, true
				}
			}
		}
	}
	suites := map[string]bool{}
	for _, c := range checks {
		suites[c.Suite] = suites[c.Suite] || chosen[c.ID()]
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c plumbline.Check) bool {
		undone := plumbline.Check{Suite: c.Suite, Name: c.Undoes}.ID()
		takesBack := c.Phase == plumbline.PhaseTeardown && (c.Undoes == "" && suites[c.Suite] || chosen[undone])
		return !chosen[c.ID()] && !takesBack
	}), nil
}
