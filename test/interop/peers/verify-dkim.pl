# What Mail::DKIM says of each signature of the message on standard input, one result a line. The arguments are pairs of a
# name and its key record.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;

my %records = @ARGV;

package Answer { sub new { my ($class, $text) = @_; bless { text => $text }, $class }
  sub type { 'TXT' } sub char_str_list { $_[0]{text} } sub txtdata { $_[0]{text} } sub name { '' } }

no warnings 'redefine';
*Mail::DKIM::DNS::query = sub { my ($name) = @_; return exists $records{$name} ? Answer->new($records{$name}) : () };
*Mail::DKIM::DNS::query_async = sub {
  my ($name, $type, %callbacks) = @_;
  my @found = exists $records{$name} ? Answer->new($records{$name}) : ();
  my $result = $callbacks{Callbacks}{Success}->(@found);
  return sub { $result };
};

my $verifier = Mail::DKIM::Verifier->new();
binmode STDIN;
while (<STDIN>) { $verifier->PRINT($_) }
$verifier->CLOSE;
print $_->algorithm, ' ', $_->result, "\n" for $verifier->signatures;
