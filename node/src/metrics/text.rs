//! From OpenMetrics text, which the library writes, to the older text format that everything reads.
//!
//! They differ in four things: a counter's family has the name of its samples, with `_total`; an info's with `_info`, as
//! a gauge; there are no units; and nothing marks the end.

/// Rewrites the lines that differ. `open_metrics` is what the library has written: HELP and TYPE of a family stand
/// together in front of its samples.
pub fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().filter(|(named, _)| *named == name) {
                text.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::prometheus;

    #[test]
    fn counters_and_infos_are_named_as_their_samples_and_the_rest_stays() {
        let open_metrics = "# HELP a Things.\n# TYPE a counter\n# UNIT a bytes\na_total{x=\"# y\"} 1\n\
            # HELP b The build.\n# TYPE b info\nb_info{v=\"1\"} 1\n# HELP c Now.\n# TYPE c gauge\nc 2\n# EOF\n";
        let text = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# y\"} 1\n\
            # HELP b_info The build.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP c Now.\n# TYPE c gauge\nc 2\n";
        assert_eq!(prometheus(open_metrics), text);
    }
}
