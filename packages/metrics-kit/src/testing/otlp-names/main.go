// Prints the names that Prometheus and the collector make of the names of instruments, by the library that both use.
package main

import (
	"encoding/json"
	"os"

	"github.com/prometheus/otlptranslator"
)

func main() {
	var rows []struct{ Name, Unit, Kind, Merge string }
	if err := json.NewDecoder(os.Stdin).Decode(&rows); err != nil {
		panic(err)
	}
	out := map[string]string{}
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	for _, r := range rows {
		var t otlptranslator.MetricType = otlptranslator.MetricTypeMonotonicCounter
		switch {
		case r.Kind == "histogram":
			t = otlptranslator.MetricTypeHistogram
		case r.Kind == "gauge" && r.Merge == "max":
			t = otlptranslator.MetricTypeGauge
		case r.Kind == "gauge":
			t = otlptranslator.MetricTypeNonMonotonicCounter
		}
		n, err := namer.Build(otlptranslator.Metric{Name: "sd." + r.Name, Unit: r.Unit, Type: t})
		if err != nil {
			panic(err)
		}
		out[r.Name] = n
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		panic(err)
	}
}
