package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A change is what a reload changes for one service.
type change struct {
	service string
	lines   []string // what differs
	weaker  []string // by what a gate opens more easily
}

// The bounds of what a ledger entry says of a reload.
const (
	maxChanges = 100 // lines of each sort
	maxValue   = 120 // characters of a value
)

func (c change) summary() string {
	text := fmt.Sprintf("%d differ", len(c.lines))
	if len(c.lines) == 1 {
		text = "1 differs"
	}
	if len(c.weaker) > 0 {
		text += "; weaker than before: " + strings.Join(c.weaker[:min(3, len(c.weaker))], "; ")
		if more := len(c.weaker) - 3; more > 0 {
			text += fmt.Sprintf("; and %d more", more)
		}
	}
	return text
}

// changesOf lists what differs between two snapshots, for each service that it touches. What is no service's own
// touches all.
func changesOf(was, is *snapshot) []change {
	var before, after map[string]any
	if json.Unmarshal(was.config.Canonical(), &before) != nil || json.Unmarshal(is.config.Canonical(), &after) != nil {
		before, after = map[string]any{"configuration": was.config.Digest()}, map[string]any{"configuration": is.config.Digest()}
	}
	servicesBefore, _ := before["services"].(map[string]any)
	servicesAfter, _ := after["services"].(map[string]any)
	delete(before, "services")
	delete(after, "services")
	common := differences("", before, after)
	if !sameSecrets(was.config.Secrets(), is.config.Secrets()) {
		common = append(common, "secrets: at least one has another value")
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(servicesBefore)), maps.Keys(servicesAfter))
	slices.Sort(names)
	var changes []change
	for _, name := range slices.Compact(names) {
		c := change{service: name}
		c.lines = append(c.lines, differences("services."+name, servicesBefore[name], servicesAfter[name])...)
		c.lines = append(c.lines, suiteChanges(was.suites[name], is.suites[name])...)
		c.lines = append(c.lines, common...)
		c.weaker = weakenings(was, is, name)
		c.lines, c.weaker = bounded(c.lines), bounded(c.weaker)
		if len(c.lines)+len(c.weaker) > 0 {
			changes = append(changes, c)
		}
	}
	return changes
}

// differences lists the keys beneath a path whose values differ.
func differences(path string, was, is any) []string {
	before, isMap := was.(map[string]any)
	after, isMapToo := is.(map[string]any)
	switch {
	case isMap && isMapToo:
		keys := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
		slices.Sort(keys)
		var lines []string
		for _, key := range slices.Compact(keys) {
			lines = append(lines, differences(strings.TrimPrefix(path+"."+key, "."), before[key], after[key])...)
		}
		return lines
	case was == nil && is == nil:
		return nil
	case was == nil:
		return []string{fmt.Sprintf("%s: added: %s", path, valueOf(is))}
	case is == nil:
		return []string{fmt.Sprintf("%s: removed, was %s", path, valueOf(was))}
	case valueOf(was) != valueOf(is) || written(was) != written(is):
		return []string{fmt.Sprintf("%s: %s, was %s", path, valueOf(is), valueOf(was))}
	}
	return nil
}

func written(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// valueOf is a value as people write it, cut to what a line has room for.
func valueOf(v any) string {
	text, plain := v.(string)
	if !plain {
		text = written(v)
	}
	if runes := []rune(text); len(runes) > maxValue {
		return string(runes[:maxValue]) + "…"
	}
	return text
}

func sameSecrets(was, is []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(was)), slices.Sorted(slices.Values(is)))
}

func bounded(lines []string) []string {
	if more := len(lines) - maxChanges; more > 0 {
		return append(lines[:maxChanges:maxChanges], fmt.Sprintf("and %d more", more))
	}
	return lines
}
