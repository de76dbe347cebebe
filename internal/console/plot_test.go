package console

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the values are, the bars stay in the picture and are in their proportion.
func TestBarsStayInThePicture(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e18), 0, 60).Draw(t, "values")
		days := make([]string, len(values))
		p := NewPlot("p", "p", days, values, 2, func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) })
		if len(p.Bars) != len(values) || len(p.Lines) != 3 {
			t.Fatalf("%d bars, %d lines", len(p.Bars), len(p.Lines))
		}
		for i, b := range p.Bars {
			x, y, width, height := number(t, b.X), number(t, b.Y), number(t, b.Width), number(t, b.Height)
			if x < 0 || y < 0 || width < 0 || height < 0 || x+width > PlotWidth+.2 || y+height > PlotHeight {
				t.Fatalf("%v is outside", b)
			}
			if values[i] > 0 != (height > 0) {
				t.Fatalf("%g has the height %g", values[i], height)
			}
		}
	})
}

func number(t *rapid.T, text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || strings.Contains(text, "e") {
		t.Fatalf("%q is no place", text)
	}
	return v
}

func TestScalesEndRound(t *testing.T) {
	t.Parallel()
	for most, want := range map[float64]float64{0: 1, 1: 1, 1.2: 2, 3: 4, 5: 6, 7: 10, 61: 100, 0.03: 0.04, 230_000: 400_000} {
		if got := ceiling([]float64{0, most}); math.Abs(got-want) > want/1e9 {
			t.Errorf("a scale to %g ends at %g, want %g", most, got, want)
		}
	}
}
