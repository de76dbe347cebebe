package console

import (
	"math"
	"strconv"
)

// Plot is a row of bars, one a day, drawn as SVG. Its numbers are to be in a table,
// too: a picture is nothing to somebody who cannot see it.
type Plot struct {
	ID    string // of the element
	Title string
	Bars  []Bar
	Lines []PlotLine // the scale
	Marks []PlotMark // days below the bars
}

// Bar is one day. Places and sizes are in the units of the view box, see [PlotWidth].
type Bar struct {
	X, Y, Width, Height string
	Says                string // "2026-03-01: $1.20"
}

// PlotLine is a line of the scale.
type PlotLine struct{ Y, Says string }

// PlotMark is a text below the bars.
type PlotMark struct{ X, Anchor, Says string }

// The view box of a plot.
const (
	PlotWidth  = 420
	PlotHeight = 150
)

// What of the view box is around the bars.
const (
	plotLeft, plotTop, plotBottom = 52.0, 10.0, 22.0
)

// NewPlot draws values of days, each at least zero, on a scale that reaches to least
// or further; says puts a value in words.
func NewPlot(id, title string, days []string, values []float64, least float64, says func(float64) string) Plot {
	p := Plot{ID: id, Title: title}
	most := max(ceiling(values), least)
	height := PlotHeight - plotTop - plotBottom
	step := (PlotWidth - plotLeft) / float64(max(len(days), 1))
	for i, day := range days {
		h := height * values[i] / most
		if values[i] > 0 {
			h = max(h, 1.5) // what is there is seen
		}
		x := plotLeft + step*float64(i)
		p.Bars = append(p.Bars, Bar{
			X: px(x + step*.12), Y: px(plotTop + height - h), Width: px(step * .76), Height: px(h), Says: day + ": " + says(values[i]),
		})
	}
	for _, part := range []float64{0, .5, 1} {
		p.Lines = append(p.Lines, PlotLine{px(plotTop + height*(1-part)), says(most * part)})
	}
	if n := len(days); n > 0 {
		p.Marks = append(p.Marks, PlotMark{px(plotLeft), "start", days[0]}, PlotMark{strconv.Itoa(PlotWidth), "end", days[n-1]})
	}
	return p
}

// ceiling is the end of the scale: the next number of the form 1, 2, 4 or 6 times a
// power of ten, whose half is round too.
func ceiling(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	if most <= 0 || math.IsInf(most, 0) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, times := range []float64{1, 2, 4, 6, 10} {
		if unit*times >= most {
			return unit * times
		}
	}
	return unit * 10
}

func px(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
