"""What people look at, made from code: the Grafana dashboards of the chart, and the table of metrics in the docs."""
