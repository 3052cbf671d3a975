package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"

	"github.com/plumbline-dev/plumbline"
)

// MaxValue bounds each value of a question, in bytes.
const MaxValue = 512

// The parameters of a question. A release is a version by another name.
const (
	askPurpose = "purpose"
	askVersion = "version"
	askRelease = "release"
	askDigest  = "digest"
	askEvent   = "event"
)

func parameters() []string { return []string{askPurpose, askVersion, askRelease, askDigest, askEvent} }

// A pair is one parameter as it was sent.
type pair struct{ key, value string }

// question understands all parameters or refuses: a typo must not widen what is asked about.
func question(pairs []pair) (plumbline.Asked, error) {
	named := make(map[string]string, len(pairs))
	for _, p := range pairs {
		if !slices.Contains(parameters(), p.key) {
			return plumbline.Asked{}, fmt.Errorf("%w: unknown parameter %q%s", ErrQuestion, p.key, meant(p.key))
		}
		if _, again := named[p.key]; again {
			return plumbline.Asked{}, fmt.Errorf("%w: %s is named twice", ErrQuestion, p.key)
		}
		if err := checkValue(p); err != nil {
			return plumbline.Asked{}, err
		}
		named[p.key] = p.value
	}
	asked := plumbline.Asked{
		Purpose: plumbline.Purpose(named[askPurpose]), Version: named[askVersion], Digest: named[askDigest], Event: named[askEvent],
	}
	if err := alias(&asked, named); err != nil {
		return plumbline.Asked{}, err
	}
	switch asked.Purpose {
	case "":
		asked.Purpose = plumbline.PurposePromote
	case plumbline.PurposePromote, plumbline.PurposeRollback:
	default:
		return plumbline.Asked{}, fmt.Errorf("%w: unknown purpose %q, want promote or rollback", ErrQuestion, asked.Purpose)
	}
	return asked, namesRelease(asked, named)
}

func checkValue(p pair) error {
	if len(p.value) > MaxValue {
		return fmt.Errorf("%w: %s has %d bytes, want at most %d", ErrQuestion, p.key, len(p.value), MaxValue)
	}
	if strings.ContainsFunc(p.value, unicode.IsControl) {
		return fmt.Errorf("%w: %s contains a control character", ErrQuestion, p.key)
	}
	return nil
}

// alias reads release as version, unless they differ.
func alias(asked *plumbline.Asked, named map[string]string) error {
	release, version := named[askRelease], named[askVersion]
	if release != "" && version != "" && release != version {
		return fmt.Errorf("%w: version is %q and release is %q, and they mean the same", ErrQuestion, version, release)
	}
	if version == "" {
		asked.Version = release
	}
	return nil
}

// namesRelease refuses a question that meant to name a release and, as a template does without its variable, named none.
func namesRelease(asked plumbline.Asked, named map[string]string) error {
	if asked.Version != "" || asked.Digest != "" || asked.Event != "" {
		return nil
	}
	for _, key := range []string{askVersion, askRelease, askDigest, askEvent} {
		if _, empty := named[key]; empty {
			return fmt.Errorf("%w: %s is empty: name a release, or leave it out to ask about what is deployed there now", ErrQuestion, key)
		}
	}
	return nil
}

// fromQuery reads the parameters of a URL. A query that is half understood is refused.
func fromQuery(raw string) ([]pair, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: the query can't be read: %w", ErrQuestion, err)
	}
	var pairs []pair
	for key, all := range values {
		for _, value := range all {
			pairs = append(pairs, pair{key, value})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return pairs, nil
}

// fromJSON reads a flat object of strings. Unlike a decoder into a struct it sees a key that comes twice, and takes no
// other case for the same key. Nothing is an object without parameters.
func fromJSON(body []byte) ([]pair, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if !json.Valid(body) {
		return nil, fmt.Errorf("%w: the body is no JSON", ErrQuestion)
	}
	tokens := json.NewDecoder(bytes.NewReader(body))
	if open, _ := tokens.Token(); open != json.Delim('{') {
		return nil, fmt.Errorf("%w: want a JSON object", ErrQuestion)
	}
	var pairs []pair
	for tokens.More() {
		key, err := tokens.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrQuestion, err)
		}
		value, err := tokens.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrQuestion, err)
		}
		text, isText := value.(string)
		if !isText {
			return nil, fmt.Errorf("%w: %v is no string", ErrQuestion, key)
		}
		pairs = append(pairs, pair{fmt.Sprint(key), text})
	}
	return pairs, nil
}

// meant is a hint in brackets: the parameter that was probably meant, or all there are.
func meant(word string) string {
	if near := nearest(word, parameters()); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ", want " + strings.Join(parameters(), ", ")
}

// nearest is the known word that is at most a third of its letters away.
func nearest(word string, known []string) string {
	best, least := "", len(word)+1
	for _, k := range known {
		distance := levenshtein.Distance(strings.ToLower(word), k, nil)
		if distance <= max(1, len(k)/3) && distance < least {
			best, least = k, distance
		}
	}
	return best
}
