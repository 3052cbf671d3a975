package bus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sort"

	"github.com/plumbline-dev/plumbline"
)

// Fit folds a verdict until its JSON is no larger than limit bytes, and gives one that fits already as it is. The counts
// always stay whole. Checks that passed at once go first, then what makes a failure long, then checks from the least
// telling one on; PlanDigest then says which checks there were, and each suite has counts of its own.
func Fit(v plumbline.Verdict, limit int) plumbline.Verdict {
	if size(v) <= limit {
		return v
	}
	if v.PlanDigest == "" {
		v.PlanDigest = planDigest(v.Checks)
	}
	v.Suites = counted(v)
	v.Reason = clip(v.Reason, 4<<10)
	v.Checks = slices.DeleteFunc(slices.Clone(v.Checks), func(r plumbline.Result) bool {
		return r.Outcome == plumbline.Passed && !r.Flaky
	})
	if size(v) <= limit {
		return v
	}
	for i, r := range v.Checks {
		v.Checks[i] = short(r)
	}
	slices.SortStableFunc(v.Checks, func(a, b plumbline.Result) int { return weight(b) - weight(a) })
	most := v.Checks
	fits := sort.Search(len(most), func(n int) bool {
		v.Checks = most[:n+1]
		return size(v) > limit
	})
	v.Checks = most[:fits]
	return v
}

// counted are the suites of a verdict, each with the counts of its checks.
func counted(v plumbline.Verdict) []plumbline.SuiteRef {
	counts := make(map[string]*plumbline.Counts, len(v.Suites))
	suites := slices.Clone(v.Suites)
	for i, s := range suites {
		counts[s.Name] = new(plumbline.Counts)
		suites[i].Counts = counts[s.Name]
	}
	for _, c := range v.Checks {
		if of := counts[c.Suite]; of != nil {
			of.Add(c)
		}
	}
	return suites
}

// short leaves of a check what fits on a line.
func short(r plumbline.Result) plumbline.Result {
	r.Attempts, r.Steps, r.Detail = nil, nil, ""
	r.Reason, r.Impact, r.Cure = clip(r.Reason, 256), clip(r.Impact, 128), clip(r.Cure, 128)
	return r
}

// weight is how much a check tells about why a verdict is what it is.
func weight(r plumbline.Result) int {
	switch {
	case r.Outcome == plumbline.Passed:
		return 0
	case r.Outcome == plumbline.Skipped:
		return 1
	case r.Severity == plumbline.Advisory:
		return 2
	}
	return 3
}

func planDigest(checks []plumbline.Result) string {
	h := sha256.New()
	for _, c := range checks {
		h.Write([]byte(c.ID() + "\x00" + string(c.Severity) + "\x00"))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func size(v plumbline.Verdict) int {
	body, err := json.Marshal(v)
	if err != nil {
		return 0 // the encoder says so when the verdict is published
	}
	return len(body)
}
