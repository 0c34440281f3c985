import { cgroupRoot } from "./mountinfo.js";
import { ownDirectory } from "./tree.js";

const view = `${cgroupRoot}/${ownDirectory}`;

/**
 * Numbers of setns and mount by process.arch, from the kernel's syscall tables. There are more architectures; the shell
 * serves them.
 */
export const perlSyscalls: Readonly<Record<string, readonly [setns: number, mount: number]>> = {
  x64: [308, 165],
  arm64: [268, 40],
  riscv64: [268, 40],
  loong64: [268, 40],
  ppc64: [350, 21],
  s390x: [339, 21],
};

/**
 * What both ways by Perl do: three system calls, then exec. 0x20000 is CLONE_NEWNS, 4096 MS_BIND. An exec that fails leaves
 * its error number in the view; a file that is being written is tried again, as a run without a view does it.
 */
const parts = `
my ($setns, $mount, $keeper) = splice(@ARGV, 0, 3);
sub fail { print STDERR "captured cgroup view: $_[0]: $!\\n"; exit 125 }
sub show { syscall($mount + 0, my $from = "${view}/$_[0]", my $to = $_[1], 0, 4096, 0) == 0 }
sub enter {
  open(my $ns, "<", "/proc/$keeper/ns/mnt") or fail("namespace");
  syscall($setns + 0, fileno($ns), 0x20000) == 0 or fail("setns");
  close($ns);
  show("mountinfo", "/proc/$$/mountinfo") or fail("mountinfo");
  show("cgroup", "/proc/$$/cgroup") or fail("cgroup");
}
sub become {
  my ($path, @command) = @_;
  open(my $start, ">", "${view}/start") or fail("start");
  for (1 .. 20) { exec { $path } @command; last if $! != 26; select(undef, undef, undef, 0.005) }
  print $start $! + 0;
  close($start);
  exit 125;
}
`;

/** Positional parameters: setns, mount, the keeper, the container's pid or 0, whether PERL_BADLANG stays, path, argv. */
export const enterScript = `${parts}
enter();
my ($pid, $keep, @command) = @ARGV;
show("container-cgroup", "/proc/$pid/cgroup") if $pid;
delete $ENV{PERL_BADLANG} unless $keep;
become(@command);
`;

/** How many digits tell the length of what follows them on the stdin of one that waits. */
export const lengthDigits = 8;

/**
 * Enters, and waits on its stdin for the command: its length, then, with zero bytes between them, the container's pid or 0,
 * the path, how many variables there are, those, and argv. Not one byte more is read, because what follows is the plugin's.
 */
export const aheadScript = `${parts}
sub take {
  my ($size, $text) = ($_[0], "");
  while (length($text) < $size) { sysread(STDIN, $text, $size - length($text), length($text)) or exit 0 }
  return $text;
}
enter();
my ($pid, $path, $variables, @rest) = split(/\\0/, take(take(${lengthDigits})), -1);
show("container-cgroup", "/proc/$pid/cgroup") if $pid;
%ENV = ();
for (splice(@rest, 0, $variables)) { my ($name, $value) = split(/=/, $_, 2); $ENV{$name} = $value }
become($path, @rest);
`;
