//! Disks, mounts and other programs that fail a pass by root: each file is the old or the new one, what happened and
//! what to do is said, everybody else is done, and the next pass ends it. Mounts are made in name spaces of their own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mcpolicy::vault::digest_of;
use mcpolicy_tests::say;
use serde_json::{Value, json};

use crate::enforce::{Site, policy, rule};
use crate::users::{ANN, BOB, has_strace, names, put, servers, site};

const FILE: &str = ".cursor/mcp.json";

/// Two users with one denied server each: what befalls Ann's home or the state must not keep Bob's from being done.
struct Scene {
    site: Site,
    anns: PathBuf,
    bobs: PathBuf,
    /// What both files hold.
    old: String,
}

/// What a script left: passes, and copies of files that were on mounts of its own.
struct Told {
    folder: PathBuf,
}

/// One pass.
struct Pass {
    code: i32,
    said: Value,
    /// What it wrote to its standard error.
    errors: String,
}

impl Scene {
    fn new() -> Option<Self> {
        let site = site().filter(|_| crate::live::can_isolate())?;
        let old = servers(&["good", "bad"]);
        let anns = put(&site, ("ann", ANN), FILE, &old);
        let bobs = put(&site, ("bob", BOB), FILE, &old);
        Some(Self { site, anns, bobs, old })
    }

    /// Runs a script with mounts of its own. `pass NAME` makes a pass over the image, `keep NAME` puts Ann's file aside,
    /// `state=DIR` is another state folder, and `need NAME COMMAND…` ends the script where the machine cannot do
    /// something. Nothing then, which is said.
    fn run(&self, script: &str) -> Option<Told> {
        let root = self.site.machine.root();
        let folder = root.join("told");
        fs::create_dir_all(&folder).unwrap();
        let whole = format!(
            "set -e
            root={root}; told=$root/told; home=$root/home/ann; state=$root/state
            pass() {{
                code=0
                $around {binary} enforce --once --json --root $root --state $state --policy $root/published \\
                    --trust-root $root/published/root.1.json --now {now} >$told/$1.json 2>$told/$1.errors || code=$?
                echo $code >$told/$1.code
            }}
            keep() {{ cp -p $home/{FILE} $told/$1.file; ls -A $home/.cursor >$told/$1.names; }}
            need() {{ what=$1; shift; \"$@\" 2>$told/need || {{ echo \"$what: $(cat $told/need)\" >$told/skipped; exit 0; }}; }}
            as_ann() {{ setpriv --reuid {ANN} --regid {ANN} --clear-groups \"$@\"; }}
            {script}",
            root = root.display(),
            binary = crate::BINARY,
            now = self.site.now(),
        );
        let output = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--net", "bash", "-c", &whole])
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if let Ok(what) = fs::read_to_string(folder.join("skipped")) {
            // what a kernel or a file system cannot do is not the fault of who set the machine up
            say(&format!("skipped: {}", what.trim()));
            return None;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Told { folder })
    }

    /// The vault has the original, and each intent has its outcome.
    fn check_kept(&self) {
        let object = self.site.folder("state/vault/objects").join(digest_of(self.old.as_bytes()));
        assert_eq!(fs::read_to_string(object).unwrap(), self.old);
        self.check_journal();
    }

    fn check_journal(&self) {
        let log = self.site.run(&["log", "--json"]);
        assert!(log.status.success(), "{}", String::from_utf8_lossy(&log.stderr));
        let lines = String::from_utf8(log.stdout).unwrap();
        let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |kind: &str, member: &str| -> Vec<u64> {
            let records = records.iter().filter(|record| record["kind"] == kind);
            let mut numbers: Vec<u64> = records.map(|record| record[member].as_u64().unwrap()).collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(of("intent", "seq"), of("outcome", "intent"), "{lines}");
        assert!(!lines.contains("cannot be read"), "{lines}");
    }

    /// What is pending in the vault.
    fn pending(&self) -> usize {
        let list = self.site.run(&["quarantine", "list", "--json"]);
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        list["items"].as_array().unwrap().iter().filter(|item| item["state"] == "pending").count()
    }
}

impl Told {
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn pass(&self, name: &str) -> Pass {
        let said = self.text(&format!("{name}.json"));
        Pass {
            code: self.text(&format!("{name}.code")).trim().parse().unwrap(),
            said: serde_json::from_str(&said).unwrap_or(Value::Null),
            errors: self.text(&format!("{name}.errors")),
        }
    }

    /// Ann's file as it was put aside, and the names beside it.
    fn kept(&self, name: &str) -> (String, String) {
        (self.text(&format!("{name}.file")), self.text(&format!("{name}.names")).trim().to_owned())
    }
}

impl Pass {
    /// The outcome and the detail of a user's file.
    fn of(&self, user: &str) -> (&str, &str) {
        let files = self.said["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        let path = format!("/home/{user}/{FILE}");
        let file = files.iter().find(|file| file["path"] == path);
        let text = |member: &str| file.and_then(|file| file[member].as_str()).unwrap_or_default();
        (text("outcome"), text("detail"))
    }
}

/// A fault in Ann's home: her file is whole and the old one, Bob's is done, and without the fault hers is as well.
fn in_the_home(script: &str, detail: &str) {
    let Some(scene) = Scene::new() else { return };
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    let (outcome, why) = first.of("ann");
    assert_eq!((first.code, outcome), (1, "failed"), "{} {}", first.said, first.errors);
    assert!(why.contains(detail), "{why}");
    assert_eq!(first.of("bob").0, "applied", "{}", first.said);
    assert_eq!(names(&scene.bobs), ["good"]);
    let (text, beside) = told.kept("first");
    assert_eq!(text, scene.old);
    assert!(!beside.contains(".mcpolicy"), "{beside}");
    let second = told.pass("second");
    assert_eq!((second.code, second.of("ann").0), (0, "applied"), "{} {}", second.said, second.errors);
    let (text, beside) = told.kept("second");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["mcpServers"].as_object().unwrap().len(), 1);
    assert!(!beside.contains(".mcpolicy"), "{beside}");
    assert_eq!(scene.pending(), 0);
    scene.check_kept();
}

#[test]
fn a_file_that_its_owner_may_not_write_is_edited_and_keeps_its_mode() {
    let Some(scene) = Scene::new() else { return };
    let Some(told) = scene.run("chmod 0400 $home/.cursor/mcp.json; pass first") else { return };
    let first = told.pass("first");
    assert_eq!((first.code, first.of("ann").0), (0, "applied"), "{}", first.said);
    assert_eq!(names(&scene.anns), ["good"]);
    let file = fs::metadata(&scene.anns).unwrap();
    assert_eq!((file.mode() & 0o777, file.uid()), (0o400, ANN));
    scene.check_kept();
}

#[test]
fn an_immutable_file_is_told_and_done_when_it_is_none() {
    in_the_home(
        "need 'no immutable flag' chattr +i $home/.cursor/mcp.json
        pass first; keep first; chattr -i $home/.cursor/mcp.json; pass second; keep second",
        "immutable flag",
    );
}

#[test]
fn a_home_that_is_mounted_read_only_is_told_and_done_when_it_may_be_written() {
    in_the_home(
        "mount --bind $home $home; mount -o remount,bind,ro $home
        pass first; keep first; umount $home; pass second; keep second",
        "read-only mount",
    );
}

#[test]
fn a_read_only_file_that_is_mounted_by_itself_is_told_and_done_when_it_is_no_mount_any_more() {
    in_the_home(
        "chmod 0400 $home/.cursor/mcp.json
        mount --bind $home/.cursor/mcp.json $home/.cursor/mcp.json; mount -o remount,bind,ro $home/.cursor/mcp.json
        pass first; keep first; umount $home/.cursor/mcp.json; pass second; keep second",
        "another mount",
    );
}

/// Whoever asks by server is told that it stayed, by which code, and why.
#[test]
fn the_journal_answers_for_a_server_that_could_not_be_removed() {
    let Some(scene) = Scene::new() else { return };
    let huge = format!("{}{}", scene.old.replace("bad", "padded"), " ".repeat(17 << 20));
    put(&scene.site, ("ann", ANN), "huge/.cursor/mcp.json", &huge);
    let script = "need 'no immutable flag' chattr +i $home/.cursor/mcp.json
        mkdir -p $state; pass first; chattr -i $home/.cursor/mcp.json";
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    assert_eq!(first.code, 1, "{}", first.said);
    let log = |server: &str| {
        let output = scene.site.run(&["log", "--server", server, "--user", "ann", "--json"]);
        String::from_utf8(output.stdout).unwrap()
    };
    let bad = log("bad");
    assert!(bad.contains("/home/ann/.cursor/mcp.json") && bad.contains("not-allowed"), "{bad}");
    assert!(bad.contains("immutable flag") && bad.contains("\"outcome\":\"failed\""), "{bad}");
    let all = String::from_utf8(scene.site.run(&["log", "--user", "ann"]).stdout).unwrap();
    let told = "/home/ann/huge/.cursor/mcp.json (the file has";
    assert!(all.contains("not-looked-at") && all.contains(told), "{all} {}", first.said);
    assert!(first.said["notices"].to_string().contains(told), "{}", first.said);
}

#[test]
fn a_restore_that_the_system_refuses_is_told_and_done_when_it_is_possible() {
    let Some(mut scene) = Scene::new() else { return };
    let Some(told) = scene.run("pass zeroth") else { return };
    assert_eq!(told.pass("zeroth").of("ann").0, "applied");
    scene.site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    let script = "need 'no immutable flag' chattr +i $home/.cursor/mcp.json
        pass first; keep first; chattr -i $home/.cursor/mcp.json; pass second; keep second";
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    let restored = first.said["restored"].as_array().unwrap();
    let anns = restored.iter().find(|one| one["path"] == format!("/home/ann/{FILE}")).unwrap();
    assert_eq!((first.code, &anns["outcome"]), (1, &json!("failed")), "{}", first.said);
    assert!(anns["detail"].as_str().unwrap().contains("immutable flag"), "{anns}");
    assert_eq!(fs::read_to_string(&scene.bobs).unwrap(), scene.old, "Bob's is back");
    let second = told.pass("second");
    assert_eq!((second.code, told.kept("second").0), (0, scene.old.clone()), "{}", second.said);
    scene.check_journal();
}

#[test]
fn an_old_file_that_cannot_be_removed_is_told_and_swept_by_the_next_pass() {
    let Some(scene) = Scene::new().filter(|_| has_strace()) else { return };
    let script = "around=\"strace -f -o /dev/null -P $home/.cursor -e inject=unlinkat:error=EPERM\"; pass first
        keep first; pass second; keep second; around=; touch $home/.cursor/.mcpolicy.hers; pass third; keep third";
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    let (outcome, detail) = first.of("ann");
    assert_eq!((first.code, outcome), (0, "applied"), "{} {}", first.said, first.errors);
    let (text, beside) = told.kept("first");
    assert!(!text.contains("bad"), "{text}");
    let left = beside.lines().find(|name| name.starts_with(".mcpolicy.")).expect("it is there");
    assert!(detail.contains("in /home/ann/.cursor, under a name that begins with"), "{detail}");
    // as long as it cannot be removed each pass says so
    let second = told.pass("second");
    let notices = second.said["notices"].to_string();
    assert!(notices.contains("it cannot be removed") && told.kept("second").1.contains(left), "{notices}");
    let third = told.pass("third");
    assert_eq!((third.code, &third.said["notices"]), (0, &json!([])), "{}", third.said);
    // what has not the name that was noted is hers
    assert_eq!(told.kept("third").1, ".mcpolicy.hers\nmcp.json");
    scene.check_kept();
}

/// A home on a disk of its own; `options` say how large.
fn on_a_disk(options: &str) -> String {
    format!(
        "cp -a $home $told/was; need 'no such disk' mount -t tmpfs -o {options},mode=0700,uid={ANN},gid={ANN} none $home
        cp -a $told/was/. $home/"
    )
}

#[test]
fn a_home_on_a_full_disk_is_told_and_done_when_there_is_room() {
    in_the_home(
        &format!(
            "{}
            as_ann dd if=/dev/zero of=$home/filler bs=1k 2>/dev/null || true
            pass first; keep first; rm $home/filler; pass second; keep second",
            on_a_disk("size=256k")
        ),
        "free space or raise the quota",
    );
}

#[test]
fn a_home_on_a_disk_without_names_to_give_is_told_and_done_when_there_are() {
    in_the_home(
        &format!(
            "{}
            for at in $(seq 64); do touch $home/filler$at 2>/dev/null || true; done
            pass first; keep first; rm $home/filler*; pass second; keep second",
            on_a_disk("nr_inodes=16")
        ),
        "free space or raise the quota",
    );
}

/// The disk below the file system has no room for what that believes to have written: a write error of the device.
#[test]
fn a_disk_that_fails_to_write_is_told_and_done_when_it_works() {
    let Some(scene) = Scene::new() else { return };
    let large = format!("{}{}", scene.old, " ".repeat(1 << 20));
    fs::write(&scene.anns, &large).unwrap();
    let script = format!(
        "disk=$root/disk; mkdir $disk; mount -t tmpfs -o size=4m none $disk
        truncate -s 8M $disk/image; need 'no mkfs.ext4' mkfs.ext4 -q -F -O ^has_journal $disk/image
        cp -a $home $told/was; need 'no loop device' mount -o loop,errors=continue $disk/image $home
        rmdir $home/lost+found; cp -a $told/was/. $home/; chown {ANN}:{ANN} $home; chmod 0700 $home; sync -f $home
        dd if=/dev/zero of=$disk/filler bs=1k 2>/dev/null || true
        pass first; keep first; rm $disk/filler; pass second; keep second; umount $home"
    );
    let Some(told) = scene.run(&script) else { return };
    let first = told.pass("first");
    let (outcome, why) = first.of("ann");
    assert_eq!((first.code, outcome), (1, "failed"), "{} {}", first.said, first.errors);
    // EIO; on some kernels the image itself is told to be full
    assert!(why.contains("(error 5 of the system)") || why.contains("free space"), "{why}");
    assert_eq!(told.kept("first"), (large.clone(), "mcp.json".to_owned()));
    assert_eq!(first.of("bob").0, "applied", "{}", first.said);
    let second = told.pass("second");
    assert_eq!((second.code, second.of("ann").0), (0, "applied"), "{} {}", second.said, second.errors);
    let (text, beside) = told.kept("second");
    assert!(!text.contains("bad") && text.contains("good") && beside == "mcp.json", "{beside}");
    let object = scene.site.folder("state/vault/objects").join(digest_of(large.as_bytes()));
    assert_eq!(fs::read_to_string(object).unwrap(), large);
    scene.check_journal();
}

#[test]
fn an_error_of_the_disk_at_the_exchange_leaves_the_old_file_and_the_next_pass_edits_it() {
    if !has_strace() {
        return;
    }
    in_the_home(
        "around=\"strace -f -o /dev/null -P $home/.cursor -e inject=renameat2:error=EIO\"; pass first; keep first
        around=; pass second; keep second",
        "(error 5 of the system)",
    );
}

/// Nothing is known of her servers then, which is not the same as that she has none.
#[test]
fn a_file_that_the_disk_cannot_read_is_told_and_done_when_it_can() {
    let Some(scene) = Scene::new().filter(|_| has_strace()) else { return };
    let script = "around=\"strace -f -o /dev/null -P $home/.cursor/mcp.json -e inject=read,pread64:error=EIO\"; pass first
        keep first; around=; pass second; keep second";
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    assert_eq!((first.code, first.of("bob").0), (1, "applied"), "{} {}", first.said, first.errors);
    let notices = first.said["notices"].to_string();
    assert!(notices.contains("not looked at") && notices.contains("/home/ann/.cursor/mcp.json"), "{notices}");
    assert_eq!(told.kept("first").0, scene.old);
    let second = told.pass("second");
    assert_eq!((second.code, second.of("ann").0), (0, "applied"), "{} {}", second.said, second.errors);
    scene.check_kept();
}

#[test]
fn a_state_folder_on_a_full_disk_changes_nothing_and_the_next_pass_does_all() {
    let Some(scene) = Scene::new() else { return };
    let script = "mkdir -p $state; mount -t tmpfs -o size=256k,mode=0700 none $state
        dd if=/dev/zero of=$state/filler bs=1k 2>/dev/null || true
        pass first; keep first
        rm $state/filler; pass second; keep second; mkdir $root/after; cp -a $state/. $root/after; umount $state
        rmdir $state; mv $root/after $state";
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    assert_eq!(first.code, 2, "{}", first.said);
    assert!(first.errors.contains("make room on its disk"), "{}", first.errors);
    assert_eq!(told.kept("first"), (scene.old.clone(), "mcp.json".to_owned()));
    let second = told.pass("second");
    assert_eq!(second.code, 0, "{} {}", second.said, second.errors);
    assert_eq!((names(&scene.anns), names(&scene.bobs)), (vec!["good".to_owned()], vec!["good".to_owned()]));
    scene.check_kept();
}

/// There is room for all that is small: the one that is large is told.
#[test]
fn an_original_for_which_the_vault_has_no_room_keeps_no_other_from_being_done() {
    let Some(scene) = Scene::new() else { return };
    let large = format!("{}{}", scene.old, " ".repeat(1 << 20));
    fs::write(&scene.anns, &large).unwrap();
    let script = "mkdir -p $state; mount -t tmpfs -o size=512k,mode=0700 none $state
        pass first; keep first
        mount -o remount,size=8m $state; pass second; keep second
        mkdir $root/after; cp -a $state/. $root/after; umount $state; rmdir $state; mv $root/after $state";
    let Some(told) = scene.run(script) else { return };
    let first = told.pass("first");
    assert_eq!((first.code, first.of("ann").0), (1, "failed"), "{} {}", first.said, first.errors);
    assert!(first.of("ann").1.contains("make room on its disk"), "{}", first.said);
    assert_eq!(told.kept("first"), (large, "mcp.json".to_owned()));
    assert_eq!(first.of("bob").0, "applied", "{}", first.said);
    let second = told.pass("second");
    assert_eq!((second.code, second.of("ann").0), (0, "applied"), "{} {}", second.said, second.errors);
    assert_eq!((names(&scene.anns), scene.pending()), (vec!["good".to_owned()], 0));
    // it ended before there was an intent
    let log = scene.site.run(&["log", "--server", "bad", "--user", "ann"]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(
        log.contains("not-done user ann server bad: /home/ann/.cursor/mcp.json: not-allowed; nothing"),
        "{log}"
    );
    scene.check_kept();
}

/// Unmounted, or moved away: what was taken out of it waits.
#[test]
fn a_home_that_is_not_there_any_more_is_told_and_done_when_it_is_back() {
    let Some(mut scene) = Scene::new() else { return };
    let Some(told) = scene.run("pass zeroth; keep zeroth") else { return };
    assert_eq!(told.pass("zeroth").of("ann").0, "applied");
    put(&scene.site, ("ann", ANN), "new/.cursor/mcp.json", &scene.old);
    put(&scene.site, ("bob", BOB), "new/.cursor/mcp.json", &scene.old);
    scene.site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    let Some(told) = scene.run("mv $home $root/away; pass first; mv $root/away $home; pass second") else {
        return;
    };
    let first = told.pass("first");
    assert_eq!((first.code, names(&scene.bobs)), (0, vec!["bad".to_owned(), "good".to_owned()]));
    let notices = first.said["notices"].to_string();
    assert!(notices.contains("the home /home/ann is not there") && !notices.contains("bob"), "{notices}");
    let second = told.pass("second");
    assert_eq!((second.code, &second.said["notices"]), (0, &json!([])), "{}", second.said);
    assert_eq!(fs::read_to_string(&scene.anns).unwrap(), scene.old);
    scene.check_journal();
}

/// Its folders go at some moment of a pass.
#[test]
fn a_home_that_vanishes_during_a_pass_keeps_nobody_else_from_being_done_and_is_done_when_it_is_back() {
    let Some(scene) = Scene::new() else { return };
    let script = format!(
        "cp -a $home $root/away
        for at in $(seq {PASSES}); do
            for user in ann bob; do cp -p $root/away/{FILE} $root/home/$user/{FILE}; done
            chown {BOB}:{BOB} $root/home/bob/{FILE}
            pass vanishing$at & passing=$!
            sleep 0.0$((at * 15)); rm -rf $home; wait $passing
            rm -rf $home; cp -a $root/away $home
        done
        keep first; pass second; keep second"
    );
    let Some(told) = scene.run(&script) else { return };
    let mut ends = Vec::new();
    for at in 1..=PASSES {
        let pass = told.pass(&format!("vanishing{at}"));
        let (outcome, why) = pass.of("ann");
        let complete = matches!(outcome, "applied" | "skipped" | "");
        assert!(complete || (pass.code == 1 && !why.is_empty()), "{} {}", pass.said, pass.errors);
        assert_eq!(pass.of("bob").0, "applied", "{} {}", pass.said, pass.errors);
        ends.push(if outcome.is_empty() { "gone" } else { outcome }.to_owned());
    }
    say(&ends.join(" "));
    let second = told.pass("second");
    assert_eq!((second.code, second.of("ann").0), (0, "applied"), "{} {}", second.said, second.errors);
    assert_eq!((names(&scene.anns), scene.pending()), (vec!["good".to_owned()], 0));
    scene.check_kept();
}

/// A program of Ann's saves its file about a hundred times a second, each time with the next number, and looks whether
/// the last one is still there. `save` writes `$text`. Nothing that it saved is lost, nor is any of it half.
fn while_saved(save: &str) {
    let Some(scene) = Scene::new() else { return };
    let numbered = scene.old.replacen('{', "{\"n\":0,", 1);
    fs::write(&scene.anns, &numbered).unwrap();
    let script = format!(
        "cat >$root/saves.sh <<'X'
cd $1/.cursor
start=$(<mcp.json); start=${{start#*,}}
n=0
while [ ! -e $1/stop ]; do
    text=$(<mcp.json)
    there=${{text#*:}}; there=${{there%%,*}}
    [ \"$there\" = $n ] || echo \"$n was saved and $there is there\" >>$1/lost
    n=$((n + 1))
    text=\"{{\\\"n\\\":$n,$start\"
    {save}
    sleep 0.006
done
echo $n >$1/newest
X
        as_ann bash $root/saves.sh $home & saves=$!
        sleep 0.1
        for at in $(seq {PASSES}); do pass during$at; done
        as_ann touch $home/stop; wait $saves
        keep during; cp $home/newest $told/newest; ! [ -e $home/lost ] || cp $home/lost $told/lost
        pass after; keep after"
    );
    let Some(told) = scene.run(&script) else { return };
    let lost = fs::read_to_string(told.folder.join("lost")).unwrap_or_default();
    assert_eq!(lost, "", "saves that are lost");
    let mut ends = Vec::new();
    for at in 1..=PASSES {
        let pass = told.pass(&format!("during{at}"));
        let (outcome, why) = pass.of("ann");
        let complete = matches!(outcome, "applied" | "skipped" | "");
        // half of a save is no file that can be parsed
        let was_half = pass.said["notices"].to_string().contains("not looked at");
        assert_eq!(pass.code, i32::from(!complete || was_half), "{} {}", pass.said, pass.errors);
        assert!(complete || !why.is_empty(), "{}", pass.said);
        ends.push(outcome.to_owned());
    }
    say(&format!("{} saves, {PASSES} passes: {}", told.text("newest").trim(), ends.join(" ")));
    assert!(told.text("newest").trim().parse::<usize>().unwrap() > 10);
    assert_eq!(names(&scene.bobs), ["good"]);
    let (during, beside) = told.kept("during");
    let during: Value = serde_json::from_str(&during).unwrap();
    assert_eq!(during["n"].to_string(), told.text("newest").trim(), "the newest save is there: {beside}");
    let after = told.pass("after");
    assert_eq!(after.code, 0, "{} {}", after.said, after.errors);
    assert_eq!((names(&scene.anns), scene.pending()), (vec!["good".to_owned()], 0));
    scene.check_journal();
}

const PASSES: usize = 6;

#[test]
fn a_file_that_is_renamed_over_a_hundred_times_a_second_loses_no_save_and_is_done_when_that_ends() {
    while_saved("printf %s \"$text\" >new; mv new mcp.json");
}

#[test]
fn a_file_that_is_written_in_place_a_hundred_times_a_second_loses_no_save_and_is_done_when_that_ends() {
    while_saved("printf %s \"$text\" >mcp.json");
}
