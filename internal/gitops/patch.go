package gitops

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// addedLine is one line that a patch adds.
type addedLine struct {
	path string
	line int // in the new file, from 1
	text []byte
}

// addedLines yields the lines that a patch of git adds. Hunks are counted by
// their headers, so that content that looks like a header is content.
func addedLines(patch []byte) iter.Seq2[addedLine, error] {
	return func(yield func(addedLine, error) bool) {
		var path string
		number, oldLeft, newLeft := 0, 0, 0
		for line := range bytes.Lines(patch) {
			var err error
			switch {
			case oldLeft > 0 || newLeft > 0:
				switch line[0] {
				case '+':
					if !yield(addedLine{path: path, line: number, text: line[1:]}, nil) {
						return
					}
					number++
					newLeft--
				case '-':
					oldLeft--
				case ' ', '\n':
					number++
					oldLeft--
					newLeft--
				}
			case bytes.HasPrefix(line, []byte("diff --git ")):
				path = ""
			case bytes.HasPrefix(line, []byte("+++ ")):
				path, err = patchPath(strings.TrimSuffix(string(line[4:]), "\n"))
			case bytes.HasPrefix(line, []byte("@@ -")):
				number, oldLeft, newLeft, err = hunkHeader(string(line))
			}
			if err != nil {
				yield(addedLine{}, err)
				return
			}
		}
	}
}

// hunkHeader reads "@@ -OLD[,COUNT] +NEW[,COUNT] @@".
func hunkHeader(line string) (start, oldLines, newLines int, err error) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != "@@" {
		return 0, 0, 0, fmt.Errorf("malformed hunk header %.100q", line)
	}
	_, oldLines, err = hunkRange(strings.TrimPrefix(fields[1], "-"))
	if err == nil {
		start, newLines, err = hunkRange(strings.TrimPrefix(fields[2], "+"))
	}
	if err != nil {
		return 0, 0, 0, fmt.Errorf("malformed hunk header %.100q: %w", line, err)
	}
	return start, oldLines, newLines, nil
}

func hunkRange(text string) (start, count int, err error) {
	first, second, two := strings.Cut(text, ",")
	if start, err = strconv.Atoi(first); err != nil || !two {
		return start, 1, err
	}
	count, err = strconv.Atoi(second)
	return start, count, err
}

// patchPath reads the path of a "+++ " line: "b/PATH", a tab after it if there
// is a space in it, in C quotes if there is an unusual byte in it.
func patchPath(text string) (string, error) {
	text = strings.TrimSuffix(text, "\t")
	if text == "/dev/null" {
		return "", nil
	}
	if strings.HasPrefix(text, `"`) {
		// git's escapes are among Go's: octal ones of three digits and letters.
		unquoted, err := strconv.Unquote(text)
		if err != nil {
			return "", fmt.Errorf("malformed path %.200q in a patch: %w", text, err)
		}
		text = unquoted
	}
	path, found := strings.CutPrefix(text, "b/")
	if !found {
		return "", fmt.Errorf("malformed path %.200q in a patch", text)
	}
	return path, nil
}
