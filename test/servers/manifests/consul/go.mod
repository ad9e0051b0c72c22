module sd.test/consul

go 1.26

require (
	github.com/hashicorp/consul v1.21.0
	github.com/hashicorp/consul-awsauth v0.0.0-20250825122907-9e35fe9ded3a
)

// The libraries of 14 clouds, for joining through their APIs, are a quarter of the code and its slowest packages.
replace github.com/hashicorp/go-discover => ./no-clouds
