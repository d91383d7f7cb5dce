//! Reads the answer to Redis' command INFO: lines of `name:value` between headings.

/// The value of a field, if the answer has it.
pub fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Replication\r\nrole:master\r\nrole_extra:x:y\r\n";
        assert_eq!(info_field(info, "role"), Some("master"));
        assert_eq!(info_field(info, "role_extra"), Some("x:y"));
        assert_eq!(info_field(info, "ole"), None);
    }
}
