package checks

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A differ holds two documents against each other.
type differ struct {
	ours, theirs string // what the sides are called
	now          time.Time
	lines        []string // of differences, the first maxDifferences
	found        int      // differences
	compared     int      // values
}

const (
	maxDifferences = 40  // that are told
	maxDiffValue   = 120 // bytes of a value in a difference
	maxDiffPath    = 200 // bytes of its path
)

func (d *differ) compare(at string, a, b spot) {
	switch {
	case !a.there && !b.there:
		return
	case a.there != b.there:
		d.differ(at, a, b)
		return
	}
	switch x := a.value.(type) {
	case map[string]any:
		if y, is := b.value.(map[string]any); is {
			d.objects(at, a, b, x, y)
			return
		}
	case []any:
		if y, is := b.value.([]any); is {
			d.lists(at, a, b, len(x)+len(y) == 0)
			return
		}
	}
	d.compared++
	if !equal(a.value, b.value) && !near(a, b) {
		d.differ(at, a, b)
	}
}

func (d *differ) objects(at string, a, b spot, x, y map[string]any) {
	if len(x)+len(y) == 0 {
		d.compared++
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(x)), maps.Keys(y))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		d.compare(at+member(key), a.name(key), b.name(key))
	}
}

func (d *differ) lists(at string, a, b spot, empty bool) {
	if empty {
		d.compared++
	}
	for _, s := range []spot{a, b} {
		if s.marks != nil && s.marks.key != nil {
			d.unordered(at, a, b, *s.marks.key)
			return
		}
	}
	left, places := a.elements()
	right, others := b.elements()
	for i := range max(len(left), len(right)) {
		switch {
		case i >= len(left):
			d.compare(fmt.Sprintf("%s[%d]", at, others[i]), a.absent(), right[i])
		case i >= len(right):
			d.compare(fmt.Sprintf("%s[%d]", at, places[i]), left[i], b.absent())
		default:
			d.compare(fmt.Sprintf("%s[%d]", at, places[i]), left[i], right[i])
		}
	}
}

// unordered finds the partner of each element by its key. Where several have one key, they are partners in their order.
func (d *differ) unordered(at string, a, b spot, key path) {
	waiting := map[string][]spot{}
	var order []string
	right, _ := b.elements()
	for _, s := range right {
		name, known := keyOf(key, s.value)
		if !known {
			d.keyless(at, key, s, d.theirs)
			continue
		}
		waiting[name] = append(waiting[name], s)
		order = append(order, name)
	}
	left, _ := a.elements()
	for _, s := range left {
		name, known := keyOf(key, s.value)
		partners := waiting[name]
		switch {
		case !known:
			d.keyless(at, key, s, d.ours)
		case len(partners) == 0:
			d.compare(at+name, s, b.absent())
		default:
			waiting[name] = partners[1:]
			d.compare(at+name, s, partners[0])
		}
	}
	for _, name := range order {
		for _, s := range waiting[name] {
			d.compare(at+name, a.absent(), s)
		}
		delete(waiting, name)
	}
}

// keyOf is how an element is told from the others of its list: [id=7].
func keyOf(key path, element any) (string, bool) {
	f := key.find(element)
	if !f.there {
		return "", false
	}
	text := cut(show(f.value), maxDiffPath/2)
	switch v := f.value.(type) {
	case json.Number:
		if r := exact(v); r != nil {
			text = r.RatString() // 1.0 is 1
		}
	case string:
		if len(v) > maxDiffPath/4 {
			text = plain(v) // all of it tells it apart
		}
	case map[string]any, []any:
		text = plain(v)
	}
	return "[" + strings.TrimPrefix(strings.TrimPrefix(key.written, "$"), ".") + "=" + text + "]", true
}

func (d *differ) keyless(at string, key path, s spot, side string) {
	d.tell(func() string {
		return fmt.Sprintf("%s: %s has an element without %s to know it by: %s", cut(at, maxDiffPath), side, key, shownAt(at, s))
	}, s)
}

func (d *differ) differ(at string, a, b spot) {
	d.tell(func() string {
		return fmt.Sprintf("%s: %s %s, %s %s", cut(at, maxDiffPath), d.ours, shownAt(at, a), d.theirs, shownAt(at, b))
	}, a, b)
}

// tell counts a difference, unless it is accepted still, and words it while there is room.
func (d *differ) tell(words func() string, spots ...spot) {
	ended := ""
	for _, s := range spots {
		switch {
		case s.accepted == nil:
		case d.now.Before(s.accepted.until):
			d.compared++
			return
		default:
			ended = fmt.Sprintf(" (was accepted until %s: %s)", day(s.accepted.until), cut(s.accepted.reason, maxDiffValue))
		}
	}
	if d.found++; d.found <= maxDifferences {
		d.lines = append(d.lines, words()+ended)
	}
}

// say tells what no rule can accept.
func (d *differ) say(format string, args ...any) {
	d.tell(func() string { return fmt.Sprintf(format, args...) })
}

// near says whether two numbers are no further apart than is tolerated.
func near(a, b spot) bool {
	by := a.by
	if by == nil {
		by = b.by
	}
	x, isX := a.value.(json.Number)
	y, isY := b.value.(json.Number)
	if by == nil || !isX || !isY {
		return false
	}
	m, n := exact(x), exact(y)
	if m == nil || n == nil {
		return false
	}
	apart := new(big.Rat).Sub(m, n)
	return apart.Abs(apart).Cmp(by) <= 0
}

var (
	simpleName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	delicatePlace = regexp.MustCompile(`(?i)(?:^|[.'_])(?:[a-z_]*(?:token|secret|password)|api_?key|pin)(?:'\])?$`)
)

func member(key string) string {
	if simpleName.MatchString(key) {
		return "." + key
	}
	return "['" + strings.ReplaceAll(key, "'", `\'`) + "']"
}

// shownAt is a value in a difference, without what a person need not see.
func shownAt(at string, s spot) string {
	switch text, is := s.value.(string); {
	case !s.there:
		return "nothing"
	case is && text != "" && delicatePlace.MatchString(at):
		return "[redacted]"
	}
	return cut(delicate.ReplaceAllString(show(s.value), `$1"[redacted]"`), maxDiffValue)
}
