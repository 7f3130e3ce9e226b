# The kernel of nixpkgs, as ktb would configure it: tinyconfig and the options, and an error for one that was dropped.
{
  lib,
  buildLinux,
  linux,
  stdenvNoCC,
  options, # lib.kernel's values
}:
let
  suffix = if options ? LOCALVERSION then options.LOCALVERSION.freeform else "";

  kernel =
    (buildLinux {
      inherit (linux) version src;
      # What `uname -r` will say. The build ends with an error if it doesn't.
      modDirVersion = "${linux.modDirVersion}${suffix}";
      defconfig = "tinyconfig";
      enableCommonConfig = false;
      autoModules = false;
      ignoreConfigErrors = false;
      structuredExtraConfig = options;
    }).overrideAttrs
      (old: {
        # Modules keep their debug information.
        dontStrip = true;
        # The kernel's commands for GDB, where GDB looks for them: beside vmlinux. And where the sources were, of which
        # debug information speaks.
        postInstall = (old.postInstall or "") + ''
          mkdir -p "$dev/scripts" "$dev/nix-support"
          cp -rL "$buildRoot/scripts/gdb" "$dev/scripts/"
          cp -L "$buildRoot/vmlinux-gdb.py" "$dev/"
          echo "$buildRoot" >"$dev/nix-support/ktb-build-folder"
        '';
      });
in
{
  inherit kernel;

  source = stdenvNoCC.mkDerivation {
    pname = "linux-source";
    inherit (kernel) version src patches;
    dontConfigure = true;
    dontBuild = true;
    dontFixup = true;
    installPhase = ''
      mkdir -p "$out"
      cp -a . "$out"
    '';
  };
}
