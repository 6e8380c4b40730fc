//! Names: of agents, tiers, namespaces, secrets, labels and cloud accounts.

use super::{Malformed, text_type};

/// A DNS label (RFC 1123): lower-case letters, digits and hyphens, a letter or digit at both ends.
fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(inner)
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

/// The longest agent name, in bytes: a Unix user name has at most 31 (useradd(8)).
const AGENT_NAME_MAX: usize = 31;

fn agent_name(text: &str) -> Result<(), Malformed> {
    if is_dns_label(text)
        && text.len() <= AGENT_NAME_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Ok(());
    }
    Err(Malformed::new(
        "an agent's name is a Unix user and part of Kubernetes names: a lower-case letter, then lower-case \
         letters, digits and hyphens, at most 31 in all, no hyphen at the end",
    ))
}

text_type! {
    /// An agent's name: a Unix user name that is also a DNS label, at most 31 bytes.
    AgentName, check = agent_name, pattern = "^[a-z]([a-z0-9-]{0,29}[a-z0-9])?$", example = "ada"
}

fn dns_label(text: &str) -> Result<(), Malformed> {
    if is_dns_label(text) {
        return Ok(());
    }
    Err(Malformed::new(
        "expected a DNS label (RFC 1123): lower-case letters, digits and hyphens, at most 63, a letter or digit \
         at both ends",
    ))
}

const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

text_type! {
    /// A tier's name, a DNS label.
    TierName, check = dns_label, pattern = DNS_LABEL, example = "standard"
}

text_type! {
    /// A Kubernetes namespace, a DNS label.
    NamespaceName, check = dns_label, pattern = DNS_LABEL, example = "nuketown"
}

fn preview_slug(text: &str) -> Result<(), Malformed> {
    if is_dns_label(text) && text.len() <= 30 {
        return Ok(());
    }
    Err(Malformed::new("a preview's slug is a DNS label of at most 30 characters, such as pr-7"))
}

text_type! {
    /// The name of a preview environment, part of its namespace: a DNS label of at most 30 bytes.
    PreviewSlug, check = preview_slug, pattern = "^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$", example = "pr-7"
}

fn object_name(text: &str) -> Result<(), Malformed> {
    if text.len() <= 253 && text.split('.').all(is_dns_label) {
        return Ok(());
    }
    Err(Malformed::new(
        "expected the name of a Kubernetes object (RFC 1123 subdomain): lower-case letters, digits, hyphens and \
         dots, at most 253",
    ))
}

text_type! {
    /// The name of a Kubernetes object that is a DNS subdomain: a Secret, a storage class, a runtime class.
    ObjectName, check = object_name,
    pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", example = "premium-rwo"
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_qualified(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= max
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn label_key(text: &str) -> Result<(), Malformed> {
    let (prefix, name) = text.rsplit_once('/').map_or((None, text), |(p, n)| (Some(p), n));
    if is_qualified(name, 63) && prefix.is_none_or(|p| object_name(p).is_ok()) {
        return Ok(());
    }
    Err(Malformed::new(
        "expected a Kubernetes label key: an optional DNS prefix and a slash, then up to 63 characters",
    ))
}

text_type! {
    /// The key of a Kubernetes label, taint or extended resource, such as `nvidia.com/gpu`.
    LabelKey, check = label_key, pattern = "^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
    example = "nuketown.io/tier"
}

fn label_value(text: &str) -> Result<(), Malformed> {
    if text.is_empty() || is_qualified(text, 63) {
        return Ok(());
    }
    Err(Malformed::new("expected a Kubernetes label value: up to 63 letters, digits, '-', '_' and '.'"))
}

text_type! {
    /// The value of a Kubernetes label, possibly empty.
    LabelValue, check = label_value, pattern = "^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$",
    example = "gpu"
}

fn secret_name(text: &str) -> Result<(), Malformed> {
    let part = |p: &str| {
        !p.is_empty()
            && p != "."
            && p != ".."
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    if text.len() <= 200 && text.split('/').all(part) {
        return Ok(());
    }
    Err(Malformed::new(
        "expected a secret's name such as \"ada/github-pat\": letters, digits, '-', '_' and '.', parts divided by '/'",
    ))
}

text_type! {
    /// The name of a secret, as sops-nix has it: parts of letters, digits, `-`, `_`, `.` divided by `/`.
    SecretName, check = secret_name, pattern = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
    example = "ada/github-pat"
}

impl SecretName {
    /// What the secret is called at every provider in the cluster. Google's and Kubernetes' names take no slash, and a
    /// scope such as `ada-*` then means the same everywhere.
    #[must_use]
    pub fn flat(&self) -> String {
        self.as_str().replace('/', "-")
    }
}

fn mail_address(text: &str) -> Result<(), Malformed> {
    let clean =
        |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_control() || " <>@,;\"\\".contains(c));
    if text.len() <= 254 && text.split_once('@').is_some_and(|(local, domain)| clean(local) && clean(domain))
    {
        return Ok(());
    }
    Err(Malformed::new("expected a mail address such as \"ada@6bit.com\""))
}

text_type! {
    /// A mail address (the addr-spec of RFC 5322 without quoting), at most 254 bytes.
    MailAddress, check = mail_address, pattern = "^[^ <>@,;]+@[^ <>@,;]+$", example = "ada@6bit.com"
}

fn file_name(text: &str) -> Result<(), Malformed> {
    if is_qualified(text, 63) {
        return Ok(());
    }
    Err(Malformed::new("expected a plain file name: up to 63 letters, digits, '-', '_' and '.'"))
}

text_type! {
    /// The file name under which an extra secret is found.
    FileName, check = file_name, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
    example = "imap-password"
}

text_type! {
    /// A project's name: the directory of its clone below `~/projects`.
    RepoName, check = file_name, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
    example = "nuketown"
}

fn gcp_service_account(text: &str) -> Result<(), Malformed> {
    let (account, project) = text
        .strip_suffix(".iam.gserviceaccount.com")
        .and_then(|rest| rest.split_once('@'))
        .unwrap_or_default();
    if is_dns_label(account) && project.split('.').all(is_dns_label) {
        return Ok(());
    }
    Err(Malformed::new("expected a Google service account, NAME@PROJECT.iam.gserviceaccount.com"))
}

text_type! {
    /// A Google service account's address, `NAME@PROJECT.iam.gserviceaccount.com`.
    GcpServiceAccount, check = gcp_service_account,
    pattern = "^[a-z0-9-]+@[a-z0-9.-]+\\.iam\\.gserviceaccount\\.com$",
    example = "ada-agent@myproject.iam.gserviceaccount.com"
}

impl GcpServiceAccount {
    /// The project that the account belongs to.
    #[must_use]
    pub fn project(&self) -> &str {
        let rest = self.as_str().split_once('@').map_or("", |(_, rest)| rest);
        rest.strip_suffix(".iam.gserviceaccount.com").unwrap_or(rest)
    }
}

fn aws_role_arn(text: &str) -> Result<(), Malformed> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) =
        (next(), next(), next(), next(), next(), next());
    let role = resource.strip_prefix("role/").unwrap_or_default();
    let name = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b);
    if arn == "arn"
        && matches!(partition, "aws" | "aws-cn" | "aws-us-gov")
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && (1..=576).contains(&role.len())
        && role.bytes().all(name)
    {
        return Ok(());
    }
    Err(Malformed::new(
        "expected the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME (12 digits of account)",
    ))
}

text_type! {
    /// The ARN of an AWS IAM role.
    AwsRoleArn, check = aws_role_arn, pattern = "^arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
    example = "arn:aws:iam::123456789012:role/ada-agent"
}

impl AwsRoleArn {
    /// The DNS suffix of the services in the role's partition.
    #[must_use]
    pub fn dns_suffix(&self) -> &'static str {
        if self.as_str().starts_with("arn:aws-cn:") { "amazonaws.com.cn" } else { "amazonaws.com" }
    }
}

fn aws_region(text: &str) -> Result<(), Malformed> {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = parts.last().is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if parts.len() >= 3 && parts.iter().all(|part| !part.is_empty()) && digits && is_dns_label(text) {
        return Ok(());
    }
    Err(Malformed::new("expected an AWS region such as eu-central-1"))
}

text_type! {
    /// An AWS region.
    AwsRegion, check = aws_region, pattern = "^[a-z0-9]+(-[a-z0-9]+)+-[0-9]+$", example = "eu-central-1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_name_is_a_unix_user_and_a_dns_label() {
        for good in ["a", "ada", "ada-2", "a234567890123456789012345678901"] {
            assert!(good.parse::<AgentName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Ada",
            "2ada",
            "ada-",
            "-ada",
            "a_b",
            "a.b",
            "ädä",
            "a2345678901234567890123456789012",
            "a b",
        ] {
            assert!(bad.parse::<AgentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secret_name_cannot_leave_its_directory() {
        for bad in ["../x", "a/../b", "/etc/passwd", "a//b", "a/", "a b", "a\nb", "."] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
        assert_eq!("ada/github-pat".parse::<SecretName>().unwrap().flat(), "ada-github-pat");
    }

    #[test]
    fn label_key_has_at_most_one_dns_prefix() {
        for good in ["gpu", "nvidia.com/gpu", "nuketown.io/tier", "a/B_c.d"] {
            assert!(good.parse::<LabelKey>().is_ok(), "{good}");
        }
        for bad in ["", "/gpu", "a/b/c", "Nvidia.com/gpu", "-a", "a-", "a b"] {
            assert!(bad.parse::<LabelKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cloud_accounts_are_checked_for_their_form() {
        let account: GcpServiceAccount = "ada-agent@myproject.iam.gserviceaccount.com".parse().unwrap();
        assert_eq!(account.project(), "myproject");
        assert!("ada@6bit.com".parse::<GcpServiceAccount>().is_err());
        assert!("arn:aws:iam::123456789012:role/path/ada".parse::<AwsRoleArn>().is_ok());
        for bad in [
            "arn:aws:iam::1234:role/ada",
            "arn:aws:iam::123456789012:user/ada",
            "arn:aws:iam::123456789012:role/",
        ] {
            assert!(bad.parse::<AwsRoleArn>().is_err(), "{bad}");
        }
        assert!("eu-central-1".parse::<AwsRegion>().is_ok());
        assert!("europe".parse::<AwsRegion>().is_err());
    }
}
