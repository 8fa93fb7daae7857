# Intune remediation, detection script (run as SYSTEM, 64-bit): exit 1 if a finding is high or critical.
# Standard output is what the console shows.
$program = Join-Path $env:ProgramFiles 'mcpolicy\mcpolicy.exe'
if (-not (Test-Path $program)) {
    Write-Output 'mcpolicy is not installed'
    exit 0
}
& $program scan --format mdm --background --fail-on high
if ($LASTEXITCODE -eq 1) { exit 1 }
exit 0
