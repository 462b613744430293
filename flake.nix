{
  description = "Turns Python requirements into a Nix environment that can be built again, bit for bit";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
      forEach = make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) systems);
      libraryFor = system: import self { pkgs = nixpkgs.legacyPackages.${system}; };
      program = system: { type = "app"; program = "${(libraryFor system).mach}/bin/mach"; };
    in
    {
      # mkPython and its family: mach.lib.x86_64-linux.mkPython { lock = ./mach.lock; }
      lib = forEach (system: builtins.removeAttrs (libraryFor system) [ "mach" "mach-nix" ]);
      packages = forEach (system: let inherit (libraryFor system) mach; in { inherit mach; default = mach; });
      apps = forEach (system: { mach = program system; default = program system; });
    };
}
