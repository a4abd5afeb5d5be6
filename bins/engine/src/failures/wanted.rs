//! `fo=`: which failures an owner wants to hear of (RFC 9989 §4.7).

use dmarc_core::record::FailureOptions;

/// What the two mechanisms came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mechanisms {
    /// DKIM gave an aligned pass.
    pub dkim_aligned: bool,
    /// SPF gave an aligned pass.
    pub spf_aligned: bool,
    /// A signature, aligned or not, failed evaluation.
    pub dkim_failed: bool,
    /// SPF, aligned or not, failed evaluation.
    pub spf_failed: bool,
}

/// Which of the values of `fo=` a message fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `0` or `1`: a report about DMARC.
    pub dmarc: bool,
    /// `d`: a report about DKIM.
    pub dkim: bool,
    /// `s`: a report about SPF.
    pub spf: bool,
}

impl Wanted {
    /// Whether there is anything to report.
    #[must_use]
    pub fn any(self) -> bool {
        self.dmarc || self.dkim || self.spf
    }
}

/// What a message is reported for, of which DMARC's own result is known. A mechanism that was not known (`temperror`) has failed nothing, and has given no aligned pass.
#[must_use]
pub fn wanted(fo: FailureOptions, found: Mechanisms) -> Wanted {
    let Mechanisms { dkim_aligned, spf_aligned, dkim_failed, spf_failed } = found;
    Wanted {
        // "0: Generate a DMARC failure report if all underlying authentication mechanisms fail to produce an aligned "pass" result. (Default)"
        // "1: Generate a DMARC failure report if any underlying authentication mechanism fails to produce an aligned "pass" result."
        dmarc: (fo.all_failed && !dkim_aligned && !spf_aligned) || (fo.any_failed && !(dkim_aligned && spf_aligned)),
        // "d: Generate a DKIM failure report if the message had a signature that failed evaluation, regardless of its alignment."
        dkim: fo.dkim_failed && dkim_failed,
        // "s: Generate an SPF failure report if the message failed SPF evaluation, regardless of its alignment."
        spf: fo.spf_failed && spf_failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> FailureOptions {
        let mut fo = FailureOptions::default();
        fo.all_failed = text.contains('0');
        fo.any_failed = text.contains('1');
        fo.dkim_failed = text.contains('d');
        fo.spf_failed = text.contains('s');
        fo
    }

    #[test]
    fn m5_each_value_of_fo_by_what_the_mechanisms_came_to() {
        // DKIM: aligned pass, other pass, fail; SPF likewise.
        let of = |dkim: char, spf: char| Mechanisms {
            dkim_aligned: dkim == 'a',
            spf_aligned: spf == 'a',
            dkim_failed: dkim == 'f',
            spf_failed: spf == 'f',
        };
        for (fo, dkim, spf, expected) in [
            ("0", 'a', 'f', ""),
            ("0", 'f', 'a', ""),
            ("0", 'f', 'f', "dmarc"),
            ("0", 'o', 'o', "dmarc"),
            ("1", 'a', 'f', "dmarc"),
            ("1", 'a', 'o', "dmarc"),
            ("1", 'a', 'a', ""),
            ("d", 'f', 'a', "dkim"),
            ("d", 'o', 'f', ""),
            ("s", 'a', 'f', "spf"),
            ("s", 'f', 'o', ""),
            ("0:d:s", 'f', 'f', "dmarc dkim spf"),
            ("", 'f', 'f', ""),
        ] {
            let wanted = wanted(options(fo), of(dkim, spf));
            let words = [(wanted.dmarc, "dmarc"), (wanted.dkim, "dkim"), (wanted.spf, "spf")];
            let words: Vec<&str> = words.into_iter().filter_map(|(is_set, word)| is_set.then_some(word)).collect();
            assert_eq!(words.join(" "), expected, "fo={fo} {dkim}{spf}");
            assert_eq!(wanted.any(), !expected.is_empty());
        }
    }
}
