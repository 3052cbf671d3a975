package redact

import (
	"cmp"
	"slices"
	"strings"
)

// needles are texts to look for, found by what they begin with.
type needles struct {
	starts [1 << startBits / 64]uint64 // which hashes of four bytes begin one
	by     map[[MinLength]byte][]string
}

const startBits = 14

// add adds what there is at least MinLength bytes of.
func (n *needles) add(forms []form) {
	if n.by == nil {
		n.by = make(map[[MinLength]byte][]string)
	}
	for _, f := range forms {
		start := [MinLength]byte([]byte(f.text))
		longestFirst := func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) }
		at, has := slices.BinarySearchFunc(n.by[start], f.text, longestFirst)
		if has {
			continue
		}
		n.by[start] = slices.Insert(n.by[start], at, f.text)
		h := hash(start)
		n.starts[h/64] |= 1 << (h % 64)
	}
}

func hash(b [MinLength]byte) uint32 {
	n := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	return n * 2654435761 >> (32 - startBits)
}

// find is where needles are in s, in order. Those that overlap or touch are one.
func (n *needles) find(s string) []span {
	var found []span
	effort := leastEffort + effortPerByte*len(s)
	for i := 0; i+MinLength <= len(s); i++ {
		end := n.match(s, i, &effort)
		if end == 0 {
			continue
		}
		for next := i + 1; next <= end && end < len(s) && next+MinLength <= len(s); next++ {
			end = max(end, n.match(s, next, &effort))
		}
		found = append(found, span{i, end})
		i = end - 1
	}
	return found
}

// ellipsis ends a text that was cut, perhaps within a secret.
const ellipsis = "…"

// tellingLength is how much of a secret gives it away, however long it is.
const tellingLength = 8

// The number of bytes that are compared, in all. Who sends a secret that repeats itself, and a text of the same, would
// otherwise make it grow with the square of their length.
const (
	leastEffort   = 64 << 10
	effortPerByte = 64
)

// match is the end of the longest needle that begins at i, or of what a cut left of one, or 0. When the effort is used up it
// is the end of the text: what is made of pieces of secrets is hidden whole.
func (n *needles) match(s string, i int, effort *int) int {
	start := [MinLength]byte{s[i], s[i+1], s[i+2], s[i+3]}
	if h := hash(start); n.starts[h/64]&(1<<(h%64)) == 0 {
		return 0
	}
	for _, needle := range n.by[start] {
		same := common(s[i:], needle)
		if *effort -= same + 1; *effort < 0 {
			return len(s)
		}
		if same == len(needle) {
			return i + same
		}
		if same = cutOff(s[i:], same); same >= tellingLength || 2*same >= len(needle) {
			return i + same
		}
	}
	return 0
}

// common is the length of what two texts begin with.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// cutOff is where a text was cut that has so many bytes in common with a needle, or 0. The needle may go on with what begins
// like an ellipsis.
func cutOff(s string, n int) int {
	for back := 0; back < len(ellipsis) && back <= n; back++ {
		if strings.HasPrefix(s[n-back:], ellipsis) {
			return n - back
		}
	}
	return 0
}
