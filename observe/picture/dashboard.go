package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

// dashboard is what is read of a dashboard of Grafana.
type dashboard struct {
	Title  string
	Panels []panel
}

type panel struct {
	Title   string
	GridPos struct{ X, Y, W, H int } // of 24 columns, and rows of 30 pixels and a gap of 8
	// FieldConfig says how values are shown.
	FieldConfig struct {
		Defaults struct {
			Unit     string
			Min      *float64
			Decimals *int
			Custom   struct {
				ScaleDistribution struct{ Type string }
			}
		}
	}
	Targets []struct{ Expr, LegendFormat string }
}

func readDashboard(file string) (*dashboard, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := new(dashboard)
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

var labelInLegend = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// legend is the name of a series.
func legend(format string, labels map[string]string) string {
	return labelInLegend.ReplaceAllStringFunc(format, func(s string) string {
		return labels[labelInLegend.FindStringSubmatch(s)[1]]
	})
}
