package reporters

import (
	"fmt"
	"slices"
	"strings"
)

// summarizeLost says that events were put aside, and how to get them served.
func summarizeLost(lost []Letter) summary {
	var services []string
	s := summary{footer: "dead letters"}
	for i, l := range lost {
		if !slices.Contains(services, l.Service) {
			services = append(services, l.Service)
		}
		if i >= MaxFailures {
			s.more++
			continue
		}
		s.failures = append(s.failures, failure{name: fmt.Sprintf("%d %s", l.Number, l.Service), reason: l.Reason})
	}
	if more := len(services) - 3; more > 0 {
		services = append(services[:3], fmt.Sprintf("%d more", more))
	}
	s.title = strings.Join(services, ", ") + ": an event could not be served"
	s.happens = fmt.Sprintf("It had no effect, and no verdict comes for it: plumbline deadletters show %d", lost[0].Number)
	if n := len(lost); n > 1 {
		s.title = fmt.Sprintf("%s: %d events could not be served", strings.Join(services, ", "), n)
		s.happens = "They had no effect, and no verdict comes for them: plumbline deadletters list"
	}
	return s
}
