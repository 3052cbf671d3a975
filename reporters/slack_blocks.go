package reporters

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/slack-go/slack"
)

// Limits of Slack, in UTF-16 units, each with room to spare: a section has 3,000, a header 150, a message about 13,200.
const (
	maxHeader  = 140
	maxSection = 2800
	maxReason  = 300
	maxLink    = 1000
	maxAdvice  = 200
	maxName    = 120
)

// render writes blocks: what it is, what happens now, what failed, the numbers.
func (s *Slack) render(sum summary) message {
	clean := s.redact.String
	icon := map[bool]string{true: ":white_check_mark:", false: ":x:"}[sum.passed]
	m := message{text: escape(clean(sum.title+": "+sum.happens), maxSection)}
	m.blocks = append(m.blocks, slack.NewHeaderBlock(
		slack.NewTextBlockObject(slack.PlainTextType, icon+" "+cut(clean(sum.title), maxHeader), true, false)))
	m.blocks = append(m.blocks, section("*"+escape(clean(sum.happens), maxSection)+"*"))
	if text := failureText(sum, clean); text != "" {
		m.blocks = append(m.blocks, section(text))
	}
	footer := escape(clean(sum.footer), maxReason)
	if sum.run != "" {
		footer += " · " + runText(sum)
	}
	m.blocks = append(m.blocks, slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, footer, false, true)))
	if !sum.passed && len(s.mention) > 0 {
		// Not verbatim: Slack itself must find the handle of a user group.
		m.blocks = append(m.blocks, slack.NewSectionBlock(
			slack.NewTextBlockObject(slack.MarkdownType, mentions(s.mention), false, false), nil, nil))
	}
	return m
}

// section is text in which Slack looks for nothing: an answer that contains @channel calls nobody.
func section(text string) slack.Block {
	return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, text, false, true), nil, nil)
}

func failureText(sum summary, clean func(string) string) string {
	var lines []string
	for _, f := range sum.failures {
		line := "• *" + escape(clean(f.name), maxName) + "*: " + escape(clean(f.reason), maxReason)
		if f.advisory {
			line += " _(advisory)_"
		}
		lines = append(lines, line)
		for _, more := range []struct{ what, text string }{{"Impact", f.impact}, {"Cure", f.cure}, {"Owner", f.owner}} {
			if more.text != "" {
				lines = append(lines, "      "+more.what+": "+escape(clean(more.text), maxAdvice))
			}
		}
	}
	switch {
	case sum.more > 0:
		lines = append(lines, fmt.Sprintf("… and %d more", sum.more))
	case len(lines) == 0 && !sum.passed:
		lines = append(lines, escape(clean(sum.reason), maxSection))
	}
	return fit(lines)
}

// fit drops whole lines from the end until Slack takes the section.
func fit(lines []string) string {
	const dropped = "… and more"
	text := strings.Join(lines, "\n")
	for length(text) > maxSection && len(lines) > 1 {
		lines = lines[:len(lines)-1]
		text = strings.Join(lines, "\n") + "\n" + dropped
	}
	return text
}

func runText(sum summary) string {
	name, link := "run "+escape(sum.run, maxName), strings.ReplaceAll(sum.link, "|", "%7C")
	if link == "" || length(link) > maxLink {
		return name
	}
	return "<" + escape(link, 2*maxLink) + "|" + name + ">"
}

var (
	userID  = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)
	groupID = regexp.MustCompile(`^S[A-Z0-9]{6,}$`)
)

// mentions writes whom to call in the way that Slack understands.
func mentions(names []string) string {
	texts := make([]string, 0, len(names))
	for _, name := range names {
		bare := strings.TrimPrefix(name, "@")
		switch {
		case bare == "here" || bare == "channel" || bare == "everyone":
			texts = append(texts, "<!"+bare+">")
		case userID.MatchString(bare):
			texts = append(texts, "<@"+bare+">")
		case groupID.MatchString(bare):
			texts = append(texts, "<!subteam^"+bare+">")
		default:
			texts = append(texts, "@"+escape(bare, maxName))
		}
	}
	return strings.Join(texts, " ")
}

var entities = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;"}

// escape makes one line of mrkdwn of text, at most as long as Slack counts it.
func escape(text string, limit int) string {
	return shorten(text, limit, func(r rune) string {
		if entity, special := entities[r]; special {
			return entity
		}
		return string(r)
	})
}

// cut makes one line of plain text.
func cut(text string, limit int) string {
	return shorten(text, limit, func(r rune) string { return string(r) })
}

func shorten(text string, limit int, write func(rune) string) string {
	var out strings.Builder
	used := 0
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			r = ' '
		}
		piece := write(r)
		if used += length(piece); used > limit-1 {
			return strings.TrimRight(out.String(), " ") + "…"
		}
		out.WriteString(piece)
	}
	return out.String()
}

// length counts as Slack does, in UTF-16 units.
func length(text string) int {
	n := 0
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
